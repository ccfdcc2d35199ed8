// The fence of a service's releases on a host: each lock of the service gives a higher number, and
// what a release with a lower one still has to do is refused there. The question and the change are one
// script under the lock of the folder: a runner that stood still between them would change something that
// a later release has taken over meanwhile.

import { SluiceError } from '../../base/errors.ts';
import { q } from './shell/quote.ts';
import { CLAIMED, TAKEN_OVER } from './shell/scripts.ts';

/** Under which a release changes something on a host. */
export type HostClaim = {
  /** Of the service, on the host. */
  readonly folder: string;
  readonly fence: number;
};

/** What stands before a script that changes something; '' where nobody claims anything. */
export function underClaim(claim: HostClaim | undefined): string {
  if (claim === undefined) return '';
  return `${CLAIMED}claimed ${q(claim.folder)} ${q(String(claim.fence))}\n`;
}

/** `fence`: of the claim, if there was one. @throws locked when a later release was there */
export function notTakenOver<End extends { readonly code: number | null; readonly stderr: string }>(
  host: string,
  fence: number | undefined,
  end: End,
): End {
  const by = /\x1eclaim (\d+) /.exec(end.stderr)?.[1];
  if (fence !== undefined && end.code === TAKEN_OVER && by !== undefined) {
    throw takenOver(host, fence, by);
  }
  return end;
}

export function takenOver(host: string, fence: number, by: string): SluiceError {
  return new SluiceError(
    'locked',
    `${host}: taken over by a later release (its fence is ${by}, ours is ${fence}); nothing more is done here`,
    { details: { fence, by } },
  );
}
