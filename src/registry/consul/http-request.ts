// One HTTP request to one address of a Consul-compatible registry, over node:http (the global fetch
// gives up on a blocking query after 300 s). What can go wrong is a value that says whether the
// request may have been carried out. No retries here: transport.ts decides.

import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { messageOf, systemCode } from '../../base/errors.ts';
import { type Address, formatAddress } from '../../base/units.ts';

/** An answer beyond this is not a registry of servers; it is refused before it fills the memory. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export type ConsulRequest = {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: Uint8Array;
  /** Statuses that answer this request beside 2xx and 404. */
  readonly answers?: readonly number[];
};

export type ConsulReply = {
  readonly status: number;
  readonly index: number | undefined;
  /** False when the server that answered has no leader: its data may be old. */
  readonly knownLeader: boolean;
  readonly body: Buffer;
};

export type RequestFailure = {
  readonly address: Address;
  readonly reason: string;
  /** False: the request surely did not reach the server. */
  readonly sent: boolean;
};

export type RequestOptions = {
  readonly address: Address;
  readonly agent: Agent;
  readonly token: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** A connection of its own: an idle one may be closed by the server just as we write to it. */
  readonly fresh: boolean;
};

export function sendRequest(
  { method, path, body }: ConsulRequest,
  options: RequestOptions,
): Promise<ConsulReply | RequestFailure> {
  const { address, agent, token, timeoutMs, signal, fresh } = options;
  return new Promise((resolve) => {
    let connected = false;
    const fail = (reason: string): void => {
      finish({ address, reason: `${formatAddress(address)}: ${reason}`, sent: connected });
      request.destroy();
    };
    const abort = (): void => fail('given up');
    const timer = setTimeout(() => fail(`no answer within ${Math.round(timeoutMs)} ms`), timeoutMs);
    const finish = (result: ConsulReply | RequestFailure): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      resolve(result);
    };
    const request = httpRequest({
      host: address.host,
      port: address.port,
      method,
      path,
      agent: fresh ? false : agent,
      headers: {
        Accept: 'application/json',
        ...(token === '' ? {} : { 'X-Consul-Token': token }),
        ...(body === undefined ? {} : { 'Content-Length': body.length }),
      },
    });
    request.on('socket', (socket) => {
      if (!socket.connecting) connected = true;
      else socket.once('connect', () => (connected = true));
    });
    request.on('response', (response) => {
      readAnswer(response).then(finish, (error: unknown) => fail(messageOf(error)));
    });
    request.on('error', (error) => fail(systemCode(error) || error.message));
    if (signal?.aborted === true) abort();
    else {
      signal?.addEventListener('abort', abort);
      request.end(body);
    }
  });
}

async function readAnswer(response: IncomingMessage): Promise<ConsulReply> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // With no encoding set, a response yields buffers.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`answer over ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  if (!response.complete) throw new Error('answer cut off');
  const index = response.headers['x-consul-index'];
  return {
    status: response.statusCode ?? 0,
    index: typeof index === 'string' && /^\d{1,20}$/.test(index) ? Number(index) : undefined,
    knownLeader: response.headers['x-consul-knownleader'] !== 'false',
    body: Buffer.concat(chunks),
  };
}
