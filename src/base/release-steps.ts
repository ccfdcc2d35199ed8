// How steps of a release are called in its journal and in its lock.

/** It waits for a person; a step of the whole release. */
export const APPROVAL = 'approval';
/** It stands still between two instances, because somebody said so; a step of the whole release, too. */
export const PAUSE = 'pause';

/** `drain of 10.0.0.7:9001`; of the whole release the step alone. */
export function stepText(step: string, instance: string): string {
  return instance === '' ? step : `${step} of ${instance}`;
}
