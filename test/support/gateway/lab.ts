// A laboratory around one gateway: a server that reads strictly and remembers what it saw, clients
// whose every wait has a bound, and readers of requests and responses that share no code with the
// gateway. For test/gateway-rules.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import {
  type GatewayPatch,
  RawClient,
  startGateway,
  startRawServer,
  type TestGateway,
} from './builders.ts';

const PATIENCE_MS = 20_000;

/** The promise, or an error that says what did not happen. */
export async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not happen: ${what}`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again each turn of the event loop until the condition holds. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const lastMs = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > lastMs) throw new Error(`did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export type Message = {
  readonly line: string;
  /** `name: value` as written, in order. */
  readonly fields: readonly string[];
  readonly body: string;
  readonly isComplete: boolean;
};

export type Response = Message & { readonly status: number; readonly interims: readonly number[] };

const FIELD =
  /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+: (?:[\x21-\x7e\x80-\xff](?:.*[\x21-\x7e\x80-\xff])?)?$/;
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;

function headOf(text: string): { line: string; fields: string[]; rest: string } | undefined {
  const stop = text.indexOf('\r\n\r\n');
  if (stop === -1) return undefined;
  const [line = '', ...fields] = text.slice(0, stop).split('\r\n');
  for (const field of [line, ...fields]) {
    assert.doesNotMatch(field, CONTROL, `control character in ${JSON.stringify(field)}`);
  }
  for (const field of fields) assert.match(field, FIELD);
  return { line, fields, rest: text.slice(stop + 4) };
}

export function values(message: { readonly fields: readonly string[] }, name: string): string[] {
  const start = `${name.toLowerCase()}:`;
  return message.fields
    .filter((field) => field.toLowerCase().startsWith(start))
    .map((field) => field.slice(start.length).trim());
}

type Body = { readonly body: string; readonly rest: string; readonly isComplete: boolean };

function chunkedBody(text: string): Body {
  let rest = text;
  let body = '';
  for (;;) {
    const stop = rest.indexOf('\r\n');
    if (stop === -1) return { body, rest: '', isComplete: false };
    const size = rest.slice(0, stop);
    assert.match(size, /^(?:0|[1-9a-f][0-9a-f]*)$/, 'chunk size');
    const bytes = Number.parseInt(size, 16);
    rest = rest.slice(stop + 2);
    if (rest.length < bytes + 2)
      return { body: body + rest.slice(0, bytes), rest: '', isComplete: false };
    assert.equal(rest.slice(bytes, bytes + 2), '\r\n', 'end of chunk');
    body += rest.slice(0, bytes);
    rest = rest.slice(bytes + 2);
    if (bytes === 0) return { body, rest, isComplete: true };
  }
}

function lengthBody(text: string, length: number): Body {
  return {
    body: text.slice(0, length),
    rest: text.slice(length),
    isComplete: text.length >= length,
  };
}

/** The framed body, or undefined when no field says how long it is. */
function framedBody(fields: readonly string[], text: string): Body | undefined {
  const codings = values({ fields }, 'transfer-encoding');
  const lengths = values({ fields }, 'content-length');
  assert.ok(codings.length + lengths.length <= 1, `two framings: ${fields.join(', ')}`);
  if (codings.length > 0) {
    assert.equal(codings[0], 'chunked');
    return chunkedBody(text);
  }
  if (lengths.length === 0) return undefined;
  assert.match(lengths[0] ?? '', /^(?:0|[1-9][0-9]*)$/);
  return lengthBody(text, Number(lengths[0]));
}

/** The first request in what a connection to a server has carried; '' has none. */
export function readRequest(text: string): { request: Message; rest: string } | undefined {
  if (text === '') return undefined;
  const head = headOf(text);
  if (head === undefined) {
    return { request: { line: text, fields: [], body: '', isComplete: false }, rest: '' };
  }
  assert.match(head.line, /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ (?:\/[\x21-\x7e]*|\*) HTTP\/1\.1$/);
  assert.equal(values(head, 'host').length, 1, 'one Host');
  for (const name of ['keep-alive', 'proxy-connection', 'te', 'trailer', 'http2-settings']) {
    assert.deepEqual(values(head, name), [], name);
  }
  const { body, rest, isComplete } = framedBody(head.fields, head.rest) ?? lengthBody(head.rest, 0);
  return { request: { line: head.line, fields: head.fields, body, isComplete }, rest };
}

/** Every response in what a client got. `isEnded`: the gateway has sent its FIN. */
export function readResponses(
  text: string,
  methods: readonly string[],
  isEnded = false,
): Response[] {
  const responses: Response[] = [];
  let interims: number[] = [];
  let rest = text;
  while (rest !== '') {
    const head = headOf(rest);
    if (head === undefined) {
      responses.push({ line: rest, fields: [], body: '', isComplete: false, status: 0, interims });
      break;
    }
    assert.match(head.line, /^HTTP\/1\.1 [1-5][0-9]{2} /);
    const status = Number(head.line.slice(9, 12));
    if (status < 200 && status !== 101) {
      assert.equal(framedBody(head.fields, ''), undefined, 'framing in an interim response');
      interims.push(status);
      rest = head.rest;
      continue;
    }
    const isBodiless = methods[responses.length] === 'HEAD' || status === 204 || status === 304;
    let body: Body;
    if (isBodiless) body = lengthBody(head.rest, 0);
    else {
      body = framedBody(head.fields, head.rest) ?? {
        body: head.rest,
        rest: '',
        isComplete: isEnded,
      };
    }
    responses.push({ ...head, body: body.body, isComplete: body.isComplete, status, interims });
    interims = [];
    rest = body.rest;
  }
  return responses;
}

export type Lab = TestGateway & {
  /** Raw bytes per connection to the server. */
  readonly received: readonly string[];
  readonly sockets: readonly Socket[];
  /** The complete requests that the server has seen, in order. */
  readonly requests: readonly Message[];
  /** What the server got and could not understand. */
  readonly problems: readonly string[];
  /** Nothing is in flight, nobody waits, and all clients are gone. */
  readonly isQuiet: () => boolean;
};

/** Answers one complete request; the default says `ok <request line>`. */
export type Responder = (
  socket: Socket,
  request: Message,
  connection: number,
) => void | Promise<void>;

export function answerOk(socket: Socket, request: Message): void {
  const body = `ok ${request.line}`;
  const isHead = request.line.startsWith('HEAD ');
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${isHead ? '' : body}`);
}

export async function startLab(
  t: TestContext,
  patch: GatewayPatch = {},
  respond: Responder = answerOk,
): Promise<Lab> {
  const requests: Message[] = [];
  const problems: string[] = [];
  const consumed: number[] = [];
  const server = await startRawServer(t, (socket, received, connection) => {
    try {
      for (;;) {
        const read = readRequest(received.slice(consumed[connection] ?? 0));
        if (read?.request.isComplete !== true) return;
        consumed[connection] = received.length - read.rest.length;
        requests.push(read.request);
        void respond(socket, read.request, connection);
      }
    } catch (error) {
      problems.push(String(error));
    }
  });
  const lab = await startGateway(t, [server.port], patch);
  return {
    ...lab,
    received: server.received,
    sockets: server.connections,
    requests,
    problems,
    isQuiet: () => {
      const app = lab.upstreams.get('app');
      return (
        app?.counters.inFlight === 0 &&
        app.servers.every((one) => one.inFlight === 0) &&
        lab.gateway.connections() === 0
      );
    },
  };
}

/** Sends the bytes one by one, each in a turn of its own. */
export async function drip(client: RawClient, bytes: string): Promise<void> {
  for (const byte of bytes) {
    if (client.isEnded) return;
    client.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Sends the bytes and hands back all that came until the gateway closed. */
export async function converse(
  t: TestContext,
  port: number,
  bytes: string,
  isDripped = false,
): Promise<{ text: string; error: string }> {
  const client = new RawClient(t, port);
  if (isDripped) await drip(client, bytes);
  else client.send(bytes);
  const text = await within(`end of ${JSON.stringify(bytes.slice(0, 200))}`, client.ended());
  client.socket.destroy();
  return { text, error: client.error };
}

/** `GET / HTTP/1.1` with a Host and more lines. */
export function get(...lines: readonly string[]): string {
  return head('GET / HTTP/1.1', 'Host: a', ...lines);
}

export function post(...lines: readonly string[]): string {
  return head('POST / HTTP/1.1', 'Host: a', ...lines);
}

export function head(...lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`;
}
