// One request to the control API and its whole reply: one connection per call, a deadline on each, a
// limit on what is read. Does not know what the reply means.

import { type IncomingMessage, request } from 'node:http';
import type { CallReply, CallRequest } from '../../admin/contract.ts';
import { isSluiceError, messageOf, SluiceError, systemCode } from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';

/** Where the control API is, and what lets us in. */
export type Endpoint = {
  readonly base: URL;
  /** Bearer token; '' = none. */
  readonly token: string;
  readonly timeoutMs: number;
};

/** Status documents of 10,000 servers take some 5 MB. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;

/** @throws unreachable, timeout */
export function send(
  endpoint: Endpoint,
  { method, path, body }: CallRequest,
  limitMs: number,
): Promise<CallReply> {
  const { promise, resolve, reject } = Promise.withResolvers<CallReply>();
  const outgoing = request(new URL(path, endpoint.base), {
    method,
    agent: false,
    headers: {
      accept: 'application/json',
      ...(endpoint.token === '' ? {} : { authorization: `Bearer ${endpoint.token}` }),
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    },
  });
  const timer = setTimeout(() => {
    reject(
      new SluiceError(
        'timeout',
        `control API ${endpoint.base.host}: no answer within ${formatDuration(limitMs)}; is the process stuck, or another program on this port?`,
      ),
    );
    outgoing.destroy();
  }, limitMs);
  outgoing.on('error', (error) => {
    clearTimeout(timer);
    reject(unreachable(endpoint, error));
  });
  outgoing.on('response', (response) => {
    readWhole(endpoint, response)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
  outgoing.end(body);
  return promise;
}

async function readWhole(endpoint: Endpoint, response: IncomingMessage): Promise<CallReply> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response) {
      const bytes = Buffer.from(chunk);
      length += bytes.length;
      if (length > REPLY_BYTES_MAX) {
        response.destroy();
        throw notOurs(endpoint, `more than ${REPLY_BYTES_MAX} bytes`);
      }
      chunks.push(bytes);
    }
  } catch (error) {
    throw isSluiceError(error) ? error : unreachable(endpoint, error);
  }
  return {
    status: response.statusCode ?? 0,
    contentType: response.headers['content-type'] ?? '',
    text: Buffer.concat(chunks).toString('utf8'),
  };
}

function unreachable({ base }: Endpoint, cause: unknown): SluiceError {
  const code = systemCode(cause);
  const what =
    code === 'ECONNREFUSED'
      ? 'nothing listens there'
      : code.startsWith('HPE_')
        ? 'it does not speak HTTP'
        : code === '' || code === 'ECONNRESET'
          ? 'the connection broke before the answer was complete'
          : `${messageOf(cause)}`;
  return new SluiceError(
    'unreachable',
    `control API ${base.host}: ${what}; start it with "sluice serve", or name another with --control URL`,
    { cause, details: { address: base.host } },
  );
}

/** What came is not from the control API. */
export function notOurs({ base }: Endpoint, what: string): SluiceError {
  return new SluiceError(
    'unreachable',
    `control API ${base.host}: answered ${what}; is it another program? name ours with --control URL`,
    { details: { address: base.host } },
  );
}
