// One HTTP request to one address of an etcd cluster, over node:http or node:https. What can go wrong
// is a value that says whether the request may have been carried out. No retries here: calls.ts decides.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { messageOf, systemCode } from '../../../base/errors.ts';
import { type Address, formatAddress } from '../../../base/units.ts';
import type { ConnectionOptions } from './connections.ts';

/** An answer beyond this is not a registry of servers; it is refused before it fills the memory. */
export const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

const KEEP_ALIVE_MS = 15_000;

export type EtcdRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: string;
  /** Default: JSON. */
  readonly bodyType?: string;
};

export type EtcdReply = {
  readonly status: number;
  /** `X-Etcd-Index` of the v2 API. */
  readonly index: number | undefined;
  readonly body: Buffer;
};

export type RequestFailure = {
  readonly address: Address;
  readonly reason: string;
  /** False: the request surely did not reach the server. */
  readonly sent: boolean;
};

export type SendOptions = {
  readonly address: Address;
  readonly connection: ConnectionOptions;
  readonly isTls: boolean;
  /** The header `Authorization`; '' for none. */
  readonly authorization: string;
  /** Until the head of the answer is there, and then between two pieces of it. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Pieces of the answer as they come; they are not kept, and the wait for them has no limit. */
  readonly onData?: (piece: Buffer) => void;
};

export function sendRequest(
  { method, path, body, bodyType = 'application/json' }: EtcdRequest,
  options: SendOptions,
): Promise<EtcdReply | RequestFailure> {
  const { address, connection, isTls, authorization, timeoutMs, signal, onData } = options;
  return new Promise((resolve) => {
    let connected = false;
    const fail = (reason: string): void => {
      finish({ address, reason: `${formatAddress(address)}: ${reason}`, sent: connected });
      request.destroy();
    };
    const abort = (): void => fail('given up');
    const late = (): void => fail(`no answer within ${Math.round(timeoutMs)} ms`);
    let timer = setTimeout(late, timeoutMs);
    const alive = (): void => {
      clearTimeout(timer);
      if (onData === undefined) timer = setTimeout(late, timeoutMs);
    };
    const finish = (result: EtcdReply | RequestFailure): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      resolve(result);
    };
    const request = (isTls ? httpsRequest : httpRequest)({
      host: address.host,
      port: address.port,
      method,
      path,
      ...connection,
      headers: {
        Accept: 'application/json',
        ...(authorization === '' ? {} : { Authorization: authorization }),
        ...(body === undefined
          ? {}
          : { 'Content-Type': bodyType, 'Content-Length': Buffer.byteLength(body) }),
      },
    });
    request.on('socket', (socket) => {
      // A stream that says nothing for hours is still told from one whose peer vanished.
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      if (!socket.connecting) connected = true;
      else socket.once(isTls ? 'secureConnect' : 'connect', () => (connected = true));
    });
    request.on('response', (response) => {
      alive();
      readAnswer(response, alive, onData).then(finish, (error: unknown) => fail(messageOf(error)));
    });
    request.on('error', (error) => fail(systemCode(error) || error.message));
    if (signal.aborted) abort();
    else {
      signal.addEventListener('abort', abort);
      request.end(body);
    }
  });
}

async function readAnswer(
  response: IncomingMessage,
  alive: () => void,
  onData: ((piece: Buffer) => void) | undefined,
): Promise<EtcdReply> {
  const status = response.statusCode ?? 0;
  const pieces: Buffer[] = [];
  let bytes = 0;
  // With no encoding set, a response yields buffers.
  for await (const piece of response as AsyncIterable<Buffer>) {
    alive();
    if (onData !== undefined && status === 200) {
      onData(piece);
      continue;
    }
    bytes += piece.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`answer over ${ANSWER_BYTES_MAX} bytes`);
    pieces.push(piece);
  }
  if (!response.complete) throw new Error('answer cut off');
  const index = response.headers['x-etcd-index'];
  return {
    status,
    index: typeof index === 'string' && /^\d{1,15}$/.test(index) ? Number(index) : undefined,
    body: Buffer.concat(pieces),
  };
}
