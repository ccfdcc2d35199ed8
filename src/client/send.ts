// One request to the control API and its whole reply: one connection per call, a deadline on each, a
// limit on what is read. Does not know what the reply means.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { CallReply, CallRequest } from '../admin/contract.ts';
import { isSluiceError, messageOf, SluiceError, systemCode } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import { type Endpoint, tlsOptions } from './endpoint.ts';

/** Status documents of 10,000 servers take some 5 MB. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;

/** Our own timeout, not one that a daemon tells of. */
export class NoAnswer extends SluiceError {}

/** @throws unreachable, timeout */
export async function send(
  endpoint: Endpoint,
  { method, path, body }: CallRequest,
  limitMs: number,
  stop?: AbortSignal,
): Promise<CallReply> {
  const socketPath = await endpoint.tunnel?.socketPath();
  const { promise, resolve, reject } = Promise.withResolvers<CallReply>();
  const isTls = endpoint.base.protocol === 'https:';
  const outgoing = (isTls ? httpsRequest : httpRequest)(new URL(path, endpoint.base), {
    method,
    agent: false,
    ...(stop === undefined ? {} : { signal: stop }),
    ...(isTls ? tlsOptions(endpoint.tls) : {}),
    ...(socketPath === undefined ? {} : { socketPath }),
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
      new NoAnswer(
        'timeout',
        `control API ${endpoint.name}: no answer within ${formatDuration(limitMs)}; is the process stuck, or another program on this port?`,
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

function unreachable({ name, base, tunnel }: Endpoint, cause: unknown): SluiceError {
  const code = systemCode(cause);
  const what =
    tunnel !== undefined && tunnel.trouble !== ''
      ? `ssh: ${tunnel.trouble}`
      : isOfTls(base, code)
        ? `its certificate is not trusted (${messageOf(cause)}); name its authority with --ca FILE`
        : code === 'ECONNREFUSED'
          ? 'nothing listens there'
          : code.startsWith('HPE_')
            ? 'it does not speak HTTP'
            : code === '' || code === 'ECONNRESET'
              ? 'the connection broke before the answer was complete'
              : `${messageOf(cause)}`;
  return new SluiceError(
    'unreachable',
    `control API ${name}: ${what}; start it with "sluice serve", or name another with --control URL`,
    { cause, details: { address: name } },
  );
}

/** What came is not from the control API. */
export function notOurs({ name }: Endpoint, what: string): SluiceError {
  return new SluiceError(
    'unreachable',
    `control API ${name}: answered ${what}; is it another program? name ours with --control URL`,
    { details: { address: name } },
  );
}

/** Node's codes of certificates that do not convince; and ours, of the one that was to be seen. */
function isOfTls({ protocol }: URL, code: string): boolean {
  return protocol === 'https:' && /CERT|SELF_SIGNED|UNABLE_TO|ISSUER|ALTNAME|^$/.test(code);
}
