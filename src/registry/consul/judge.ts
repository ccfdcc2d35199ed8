// What an answer is worth: one to use, one that another address or a later time may better (a failure),
// or one that says no. Pure.

import { SluiceError } from '../../base/errors.ts';
import { type Address, formatAddress } from '../../base/units.ts';
import type { ConsulReply, ConsulRequest, RequestFailure } from './http-request.ts';

/** A server that has not heard of its leader for so long has old data. */
const LAST_CONTACT_MAX_MS = 3_000;

/**
 * Consul's words for a write that was not begun: there was nobody to give it to, or who got it does not
 * lead. Anything else may have been carried out.
 */
const NOT_BEGUN =
  /No cluster leader|rpc error getting client: |node is not the leader|leadership transfer in progress/;

export function isFailure<Outcome>(outcome: Outcome | RequestFailure): outcome is RequestFailure {
  return typeof outcome === 'object' && outcome !== null && 'reason' in outcome;
}

/** Somebody answered who has a leader: also when he says no. */
export function isSignOfLife({ status, knownLeader }: ConsulReply): boolean {
  return status < 500 && status !== 429 && (knownLeader || status === 403);
}

/** The failure that such an answer is, if it is no sign of life. */
export function noLife(reply: ConsulReply, address: Address): RequestFailure {
  return { address, reason: `${formatAddress(address)}: answered ${saidBy(reply)}`, sent: false };
}

function saidBy({ status, body }: ConsulReply): string {
  const text = body.toString('utf8', 0, 200).trim();
  return text === '' ? `${status}` : `${status} ${JSON.stringify(text)}`;
}

/** @throws registry_refused, too_large, storage_full, conflict where the session of a write is over */
export function judge(
  outcome: ConsulReply | RequestFailure,
  address: Address,
  /** Statuses that are answers as well. */
  answers: readonly number[] = [],
): ConsulReply | RequestFailure {
  if (isFailure(outcome)) return outcome;
  const { status, body, knownLeader, lastContactMs } = outcome;
  const isUsable = (status >= 200 && status < 300) || status === 404 || answers.includes(status);
  const at = formatAddress(address);
  if (isUsable && !knownLeader) {
    return { address, reason: `${at}: has no leader, its data may be old`, sent: true };
  }
  if (isUsable && lastContactMs > LAST_CONTACT_MAX_MS) {
    const reason = `${at}: has not heard of its leader for ${lastContactMs} ms, its data may be old`;
    return { address, reason, sent: true };
  }
  if (isUsable) return outcome;
  const text = body.toString('utf8', 0, 200).trim();
  const said = saidBy(outcome);
  if (status === 507) throw new SluiceError('storage_full', `registry ${at}: ${text}`);
  if (status === 413) throw new SluiceError('too_large', `registry ${at}: ${text}`);
  if (status === 401 || status === 403) {
    throw new SluiceError('registry_refused', `registry ${at}: ${said}; check the token`);
  }
  // With status 500; however often it is asked again, the session does not come back.
  if (/^invalid session /.test(text)) {
    throw new SluiceError('conflict', `registry ${at}: ${said}; open another one`);
  }
  if (status === 429 || (status >= 500 && status !== 501)) {
    const sent = status !== 429 && !NOT_BEGUN.test(text);
    return { address, reason: `${at}: answered ${said}`, sent };
  }
  const advice = /HTTP request to an HTTPS server/.test(text)
    ? 'write https:// before its address, or set tls'
    : 'is it a Consul-compatible registry?';
  throw new SluiceError('registry_refused', `registry ${at}: ${said}; ${advice}`);
}

export function unknownOutcome(
  { method, path }: ConsulRequest,
  failure: RequestFailure,
): SluiceError {
  return new SluiceError(
    'registry_unreachable',
    `registry: ${method} ${path}: it is unknown whether it was done (${failure.reason}); read the record and decide`,
    { details: { outcomeUnknown: true, reason: failure.reason } },
  );
}
