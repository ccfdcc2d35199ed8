// One HTTP request to one address of a Consul-compatible registry, over node:http and node:https (the
// global fetch gives up on a blocking query after 300 s). What can go wrong is a value that says whether
// the request may have been carried out. No retries here: transport.ts decides.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { messageOf, systemCode } from '../../base/errors.ts';
import { type Address, formatAddress } from '../../base/units.ts';
import type { Access } from './credentials.ts';

/** An answer beyond this is not a registry of servers; it is refused before it fills the memory. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** A timer that comes this late was kept waiting by ourselves, ms; the answer may lie there already. */
const LATE_MS = 50;
const LATE_GRACE_MS = 250;

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
  /** When the server that answered last heard of its leader, ms ago; 0 from the leader itself. */
  readonly lastContactMs: number;
  readonly body: Buffer;
};

export type RequestFailure = {
  readonly address: Address;
  readonly reason: string;
  /** False: the request surely did not reach the server. */
  readonly sent: boolean;
  /** Nobody listens there. */
  readonly refused?: boolean;
};

export type RequestOptions = {
  readonly address: Address;
  readonly access: Access;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** A connection of its own: an idle one may be closed by the server just as we write to it. */
  readonly fresh?: boolean;
  /** The head of the answer is here; the body follows. */
  readonly onHead?: () => void;
};

export function sendRequest(
  { method, path, body }: ConsulRequest,
  options: RequestOptions,
): Promise<ConsulReply | RequestFailure> {
  const { address, access, signal, fresh } = options;
  return new Promise((resolve) => {
    let connected = false;
    const fail = (reason: string, code = ''): void => {
      finish({
        address,
        reason: `${formatAddress(address)}: ${reason}`,
        sent: connected && !isTlsRefusal(code),
        refused: code === 'ECONNREFUSED',
      });
      request.destroy();
    };
    const abort = (): void => fail('given up');
    const clock = startClock(options.timeoutMs, () =>
      fail(`no answer within ${Math.round(options.timeoutMs)} ms`),
    );
    const finish = (result: ConsulReply | RequestFailure): void => {
      clock.stop();
      signal?.removeEventListener('abort', abort);
      resolve(result);
    };
    const send = access.tls === undefined ? httpRequest : httpsRequest;
    const request = send({
      host: address.host,
      port: address.port,
      method,
      path,
      agent: fresh === true ? false : access.agent,
      ...access.tls,
      headers: {
        Accept: 'application/json',
        ...(access.token === '' ? {} : { 'X-Consul-Token': access.token }),
        ...(body === undefined ? {} : { 'Content-Length': body.length }),
      },
    });
    request.on('socket', (socket: Socket) => {
      const established = access.tls === undefined ? 'connect' : 'secureConnect';
      if (request.reusedSocket) connected = true;
      else socket.once(established, () => (connected = true));
    });
    request.on('response', (response) => {
      options.onHead?.();
      readAnswer(response).then(finish, (error: unknown) => fail(messageOf(error)));
    });
    request.on('error', (error) => fail(reasonOf(error), systemCode(error)));
    if (signal?.aborted === true) abort();
    else {
      signal?.addEventListener('abort', abort);
      request.end(body);
    }
  });
}

/** Calls `onEnd` when the time is over, but not when only we ourselves had no time to look. */
function startClock(timeoutMs: number, onEnd: () => void): { stop(): void } {
  const dueMs = performance.now() + timeoutMs;
  let timer = setTimeout(() => {
    if (performance.now() - dueMs < LATE_MS) onEnd();
    else timer = setTimeout(onEnd, LATE_GRACE_MS);
  }, timeoutMs);
  return { stop: () => clearTimeout(timer) };
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
  return {
    status: response.statusCode ?? 0,
    index: numberIn(response.headers['x-consul-index']),
    knownLeader: response.headers['x-consul-knownleader'] !== 'false',
    lastContactMs: numberIn(response.headers['x-consul-lastcontact']) ?? 0,
    body: Buffer.concat(chunks),
  };
}

function numberIn(field: string | string[] | undefined): number | undefined {
  return typeof field === 'string' && /^\d{1,20}$/.test(field) ? Number(field) : undefined;
}

/** The server said no to our certificate, or to TLS: it read no request. */
function isTlsRefusal(code: string): boolean {
  return code.startsWith('ERR_SSL_');
}

/** What people know the failure by, with what to do where TLS is the cause. */
function reasonOf(error: Error): string {
  const code = systemCode(error);
  if (code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER') {
    return `${code}: it does not speak TLS; write http:// or correct the port`;
  }
  if (code.startsWith('ERR_SSL_') && code.includes('ALERT')) {
    return `${code}: it refuses our certificate; see tls.cert and tls.key`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `${code}: its certificate is for another name; set tls.server_name`;
  }
  return CERTIFICATE.test(code)
    ? `${code}: its certificate is not trusted; set tls.ca to the file of its CA`
    : code || error.message;
}

const CERTIFICATE = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_)/;
