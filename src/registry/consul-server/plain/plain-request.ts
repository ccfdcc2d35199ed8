// A request in the plain form: all of it in one piece, nothing behind it, and in its head only fields
// that are known here, each once. Everything else, good or bad, is none (undefined) and is left to
// node:http; so nothing is refused here, and nothing is read in two ways. Pure.
//
// What is plain is read by node:http in the same way; the test compares them.

/** A longer head is not plain. */
const HEAD_BYTES_MAX = 4 * 1024;

/** Families whose answers may be streams or whose bodies may be large are left out. */
const REQUEST_LINE =
  /^(GET|PUT|DELETE) (\/v1\/(?:acl|agent|catalog|event|health|kv|session|status)\/[!-~]*) HTTP\/1\.1\r\n/;
const FIELD = /([A-Za-z-]+): ([!-~](?:[ -~]*[!-~])?)\r\n/y;
const CONNECTION = /^(?:keep-alive|close)$/i;
const LENGTH = /^(?:0|[1-9]\d{0,5})$/;

/** By name, the fields that a plain request may have. */
const FIELDS: ReadonlySet<string> = new Set([
  ...['host', 'user-agent', 'accept', 'accept-encoding', 'connection', 'cache-control'],
  ...['content-type', 'content-length', 'authorization', 'x-consul-token', 'x-consul-namespace'],
]);

export type PlainRequest = {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly url: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its client wants no further answer on this connection. */
  readonly closes: boolean;
  /** A view into what was read. */
  readonly body: Buffer;
};

export function parsePlain(bytes: Buffer): PlainRequest | undefined {
  const text = bytes.toString('latin1', 0, Math.min(bytes.length, HEAD_BYTES_MAX));
  const line = REQUEST_LINE.exec(text);
  if (line === null) return undefined;
  const [{ length: lineBytes }, method, url = ''] = line;
  if (method !== 'GET' && method !== 'PUT' && method !== 'DELETE') return undefined;
  const headers: Record<string, string> = {};
  let at = lineBytes;
  while (text.charCodeAt(at) !== 13) {
    FIELD.lastIndex = at;
    const field = FIELD.exec(text);
    if (field === null) return undefined;
    const name = (field[1] ?? '').toLowerCase();
    if (!FIELDS.has(name) || headers[name] !== undefined) return undefined;
    headers[name] = field[2] ?? '';
    at = FIELD.lastIndex;
  }
  if (text.charCodeAt(at + 1) !== 10) return undefined;
  const length = headers['content-length'];
  const bodyBytes = bytes.length - at - 2;
  const isPlain =
    headers['host'] !== undefined &&
    CONNECTION.test(headers['connection'] ?? 'close') &&
    // With a length as it is written most shortly, and only where a body is usual.
    (length === undefined || (method === 'PUT' && LENGTH.test(length))) &&
    bodyBytes === Number(length ?? 0);
  if (!isPlain) return undefined;
  const closes = headers['connection']?.toLowerCase() === 'close';
  return { method, url, headers, closes, body: bytes.subarray(at + 2) };
}
