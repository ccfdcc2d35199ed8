// The smallest question that only a member with a leader answers: a linearizable read of one key. The
// answer also tells which cluster it is and its revision, so that a restored or replaced one is noticed.
// It is asked of the v3 API whatever else is used; a member that refuses it answers nevertheless.

import { type Address, formatAddress } from '../../../base/units.ts';
import type { EtcdReply, EtcdRequest, RequestFailure } from './http-request.ts';
import { isUnavailable, readError } from './refusal.ts';

/** Both undefined when the read was refused, for want of a right or of the API. */
export type Pulse = {
  readonly revision: number | undefined;
  readonly clusterId: string | undefined;
};

export function pulseRequest(key: string): EtcdRequest {
  const bytes = key === '' ? '\0' : key;
  const body = { key: Buffer.from(bytes).toString('base64'), keys_only: true };
  return { method: 'POST', path: '/v3/kv/range', body: JSON.stringify(body) };
}

export function readPulse(
  reply: EtcdReply | RequestFailure,
  address: Address,
): Pulse | RequestFailure {
  if ('reason' in reply) return reply;
  const failed = (reason: string): RequestFailure => ({
    address,
    reason: `${formatAddress(address)}: ${reason}`,
    sent: true,
  });
  if (reply.status !== 200) {
    const error = readError(reply);
    if (isUnavailable(error)) return failed(`answered ${error.said}`);
    return { revision: undefined, clusterId: undefined };
  }
  try {
    const document: unknown = JSON.parse(reply.body.toString());
    // The cast only names the fields; each is checked below.
    const { header } = document as { readonly header?: Readonly<Record<string, unknown>> };
    const revision = header?.['revision'];
    const clusterId = header?.['cluster_id'];
    if (typeof revision === 'string' && typeof clusterId === 'string') {
      return { revision: Number(revision), clusterId };
    }
  } catch {
    // Not JSON: said below.
  }
  return failed('its answer is not one of etcd');
}
