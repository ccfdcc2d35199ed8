// Tells a release something and waits until its runner has heard it. A lock that is held is no proof of a
// runner: it may have died seconds ago, and "told to go on" would be said to nobody.

import { setTimeout as delay } from 'node:timers/promises';
import type { CommandRequest, ReleasesDocument } from '../../../admin/contract.ts';
import { SluiceError } from '../../../base/errors.ts';
import { operator } from '../../client/operator.ts';
import type { controlOf } from '../../client/target.ts';

type Control = Awaited<ReturnType<typeof controlOf>>;

export type Told = {
  readonly release: string;
  /** For people: `pid 4711 on ci-1`. */
  readonly runner: string;
  /** False: it has given no sign of life for so long that anybody may take the service. */
  readonly isAlive: boolean;
};

/** A runner is taken for dead after 15 s; a gateway may have begun to count when we asked. */
const DEADLINE_MS = 40_000;
const LOOK_EVERY_MS = 250;

/** @throws not_found when no release runs; timeout */
export async function tellRunner(
  control: Control,
  service: string,
  asked: Omit<CommandRequest, 'owner'>,
): Promise<Told> {
  const { lock } = await control.releases.history(service);
  const release = await control.releases.command(service, { ...asked, owner: operator() });
  const runner = lock?.holder?.runner ?? '';
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (performance.now() < deadlineMs) {
    const now = await control.releases.history(service);
    const isAlive = lock?.holder?.release !== release || signOfLife(now, release, lock.beat);
    if (isAlive !== undefined) return { release, runner, isAlive };
    await delay(LOOK_EVERY_MS);
  }
  const what = `release ${release} (${runner}) was told to ${asked.command.replace('_', ' ')} and has not answered`;
  throw new SluiceError('timeout', `service "${service}": ${what}; see: sluice history ${service}`);
}

/** Undefined: not known yet. */
function signOfLife(
  { lock, stale, releases }: ReleasesDocument,
  release: string,
  beat: number,
): boolean | undefined {
  if (lock?.holder?.release === release) {
    if (lock.beat > beat) return true;
    return stale ? false : undefined;
  }
  // It has ended in good order, or its lock was taken away.
  return releases.find((past) => past.release === release)?.outcome !== '';
}
