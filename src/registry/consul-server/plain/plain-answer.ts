// An answer as bytes, head and body in one piece, exactly as node:http would write it for a client
// that keeps its connection. An answer that many get is rendered once a second, because of its Date.

import { STATUS_CODES } from 'node:http';
import { type Answer, REASONS } from '../http.ts';

/** Up to this size an answer that nobody else gets is one text: to copy it costs less than a buffer. */
const TEXT_MAX = 8 * 1024;
/** What may stand in a field; an end of line would begin another one. */
const FIELD_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/;

export type Encoding = '' | 'gzip';

export function renderAnswer(
  answer: Answer,
  body: Buffer,
  { encoding, closes }: { readonly encoding: Encoding; readonly closes: boolean },
): string | Buffer {
  const kept = closes ? undefined : answer.shared;
  if (kept === undefined) {
    const head = headOf(answer, body.length, encoding, closes);
    return body.length <= TEXT_MAX
      ? head + body.toString('latin1')
      : Buffer.concat([Buffer.from(head, 'latin1'), body]);
  }
  const slot = encoding === '' ? kept.bytes : kept.gzipped;
  let bytes = slot.fresh;
  if (bytes === undefined) {
    const head = headOf(answer, body.length, encoding, false);
    bytes = Buffer.concat([Buffer.from(head, 'latin1'), body]);
    slot.keep(bytes);
  }
  return bytes;
}

function headOf(answer: Answer, length: number, encoding: Encoding, closes: boolean): string {
  const { status, headers } = answer;
  let head = `HTTP/1.1 ${status} ${REASONS[status] ?? STATUS_CODES[status] ?? 'unknown'}\r\n`;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const value = headers[at + 1] ?? '';
    if (!FIELD_TEXT.test(value)) throw new Error(`${headers[at]}: no text of a field`);
    head += `${headers[at]}: ${value}\r\n`;
  }
  if (encoding !== '') head += `Content-Encoding: ${encoding}\r\n`;
  head += `Content-Length: ${length}\r\nDate: ${new Date().toUTCString()}\r\n`;
  return closes ? `${head}Connection: close\r\n\r\n` : `${head}\r\n`;
}
