// A list that is empty because we may not see it. Where ACLs deny by default, Consul refuses a record
// (403) but only shortens a list: to who has no token, or one without the right, everything looks gone.
// So an empty list is news only when the key of the prefix itself is not refused.

import { formatAddress } from '../../base/units.ts';
import { isFailure } from './judge.ts';
import { type ConsulTransport, SILENCE_MS } from './transport.ts';

/** Why the records of `prefix` are hidden from us, and what to do; '' when they are not. */
export async function hiddenReason(
  transport: ConsulTransport,
  list: { readonly prefix: string; readonly path: string; readonly signal: AbortSignal },
): Promise<string> {
  const { prefix, path, signal } = list;
  // Nobody can be asked for the key ''.
  if (prefix === '') return '';
  const { address } = transport;
  const reply = await transport.ask(path, { address, timeoutMs: SILENCE_MS, signal });
  if (isFailure(reply) || reply.status !== 403) return '';
  const right = `a token whose policy has key_prefix "${prefix}" { policy = "read" }`;
  return transport.hasToken
    ? `${formatAddress(address)}: the list of "${prefix}" looks empty because the ACL token may not read it; use ${right}`
    : `${formatAddress(address)}: the list of "${prefix}" looks empty because no ACL token is set and Consul hides it; set token or token_file to ${right}`;
}
