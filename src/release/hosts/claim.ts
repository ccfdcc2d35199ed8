// The fence of a service's releases on a host: each lock of the service gives a higher number, and
// what a release with a lower one still has to do is refused there.

import { SluiceError } from '../../base/errors.ts';

export function takenOver(host: string, fence: number, by: string): SluiceError {
  return new SluiceError(
    'locked',
    `${host}: taken over by a later release (its fence is ${by}, ours is ${fence}); nothing more is done here`,
    { details: { fence, by } },
  );
}
