// Heads and chunk heads as the gateway writes them: latin1 text, made from parsed heads alone, with
// our own version, our own Connection field and exactly one framing field (or none).

import { strict as assert } from 'node:assert';
import type { Framing, RequestHead, ResponseHead } from '../../message.ts';

/** The end of a chunked body: last chunk, no trailers. */
export const LAST_CHUNK = '0\r\n\r\n';
/** The end of every chunk's data. */
export const CHUNK_END = '\r\n';

/** The line in front of a chunk of `bytes` > 0. */
export function chunkHead(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}

/**
 * A request to a server, over a connection that stays open. `extra` are ready lines that the gateway
 * sets itself, each with CRLF; they come behind the client's, and behind those that a ready head has already. `protocol`: one to change to; such a
 * request has no body.
 */
export function requestHeadText(
  head: RequestHead,
  extra: string,
  framing: RequestHead['framing'],
  protocol = '',
): string {
  const { ready, readyAt } = head;
  if (ready !== '') {
    return extra === '' ? ready : `${ready.slice(0, readyAt)}${extra}${ready.slice(readyAt)}`;
  }
  const lines =
    protocol === ''
      ? framing === 'none'
        ? ''
        : framingLine(framing, head)
      : upgradeLines(protocol);
  const expect = head.expectContinue ? 'Expect: 100-continue\r\n' : '';
  return `${head.method} ${head.target} HTTP/1.1\r\nHost: ${head.authority}\r\n${head.fields}${extra}${lines}${expect}\r\n`;
}

/** How a body read with `framing` is written to a client of HTTP/1.`clientMinor` (rule 63). */
export function responseFraming(framing: Framing, clientMinor: 0 | 1): Framing {
  if (framing === 'none' || framing === 'length') return framing;
  return clientMinor === 1 ? 'chunked' : 'close';
}

type ResponseOptions = {
  readonly requestMethod: string;
  readonly clientMinor: 0 | 1;
  readonly framing: Framing;
  readonly keepAlive: boolean;
};

/** `head.ready` begins with what responseHeadText would write. */
export function isReady(
  head: ResponseHead,
  { framing, keepAlive, clientMinor }: ResponseOptions,
): boolean {
  return head.ready !== '' && framing === 'length' && keepAlive && clientMinor === 1;
}

/** A ready response with more lines in its head. */
export function readyWith({ ready, readyHead }: ResponseHead, lines: string): string {
  const at = readyHead - 2;
  return `${ready.slice(0, at)}${lines}${ready.slice(at)}`;
}

/** A final response to a client. */
export function responseHeadText(head: ResponseHead, options: ResponseOptions): string {
  const { clientMinor, framing, requestMethod } = options;
  assert(framing !== 'chunked' || clientMinor === 1, 'chunked to an http/1.0 client');
  let length = '';
  if (framing === 'length' || framing === 'chunked') length = framingLine(framing, head);
  // The length that a GET would have had. A 204 has none (rule 62).
  else if (
    framing === 'none' &&
    head.contentLength >= 0 &&
    (requestMethod === 'HEAD' || head.status === 304)
  ) {
    length = framingLine('length', head);
  }
  const connection = connectionLine(options.keepAlive && framing !== 'close', clientMinor);
  return `HTTP/1.1 ${head.status} ${head.reason}\r\n${head.fields}${length}${connection}\r\n`;
}

/** A response 100 to 199 to an HTTP/1.1 client: no length, and Upgrade only with 101. */
export function interimHeadText(head: ResponseHead): string {
  const lines = head.status === 101 ? upgradeLines(head.upgrade) : '';
  return `HTTP/1.1 ${head.status} ${head.reason}\r\n${head.fields}${lines}\r\n`;
}

/**
 * Our answer to bytes behind which no request can be trusted: the last one of its connection. `id`: of the request.
 * `lines`: of every answer.
 */
export function refusalText(status: number, reason: string, id: string, lines = ''): string {
  const allow = status === 405 ? 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n' : '';
  // Of clients beyond the limit: their number changes from one second to the next.
  const retry = status === 503 ? 'Retry-After: 1\r\n' : '';
  return ownResponseText({
    ...{ status, keepAlive: false, requestMethod: '' },
    fields: `Content-Type: text/plain\r\n${retry}X-Request-Id: ${id}\r\n${allow}${lines}`,
    body: `sluice: ${reason}\n`,
  });
}

/** A whole response that the gateway gives itself: `fields` are ready lines, without the length and Connection. */
export function ownResponseText(response: {
  readonly status: number;
  readonly fields: string;
  readonly body: string;
  readonly keepAlive: boolean;
  readonly requestMethod: string;
}): string {
  const { status, fields, requestMethod } = response;
  // One byte per character, so that the length is right in every encoding.
  const text = response.body.replaceAll(/[^\t\n\x20-\x7e]/g, '?');
  // An HTTP/1.0 client needs the keep-alive, another one does not mind it.
  const connection = connectionLine(response.keepAlive, 0);
  return `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}\r\n${fields}Content-Length: ${text.length}\r\n${connection}\r\n${requestMethod === 'HEAD' ? '' : text}`;
}

function framingLine(
  framing: 'length' | 'chunked',
  head: { readonly contentLength: number },
): string {
  return framing === 'length'
    ? `Content-Length: ${head.contentLength}\r\n`
    : 'Transfer-Encoding: chunked\r\n';
}

function connectionLine(keepAlive: boolean, clientMinor: 0 | 1): string {
  if (!keepAlive) return 'Connection: close\r\n';
  return clientMinor === 1 ? '' : 'Connection: keep-alive\r\n';
}

function upgradeLines(protocol: string): string {
  return `Connection: upgrade\r\nUpgrade: ${protocol}\r\n`;
}

/** The statuses that a gateway answers with (rule 76). */
const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  301: 'Moved Permanently',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  411: 'Length Required',
  413: 'Content Too Large',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};
