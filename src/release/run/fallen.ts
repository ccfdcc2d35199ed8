// Instances that this release has put into traffic, and that do not stand any more: the process has
// died, or the gateway's checks keep it out. A check lasts for seconds and a version may fail after
// it, so they are looked at again before the next instance is touched, while it drains, and before
// the release is called a success. It is the version's failure then, and it is taken back.

import { formatDuration } from '../../base/units.ts';
import { logEvidence } from '../drivers/command.ts';
import type { Facts } from '../events.ts';
import { type Failure, fail } from '../steps.ts';
import { pause } from '../wait.ts';
import { type Released, type Session, troubleOf } from './session.ts';

const LOOK_EVERY_MS = 250;

/** The first one whose process has died; null when all live. */
export async function findDead(session: Session): Promise<Failure | null> {
  for (const [instance, released] of session.released) {
    const ended = released.running.ended();
    if (ended !== '') return failure(session, instance, released, `its process ${ended}`);
  }
  return null;
}

/**
 * The first one that has died, or that is down and stays so for as long as a new process may take to
 * be healthy: a gateway that was restarted needs a moment to see it up again. Null when all stand,
 * as far as the control plane can be asked; one that is away is the matter of the next step.
 */
export async function findFallen(
  session: Session,
  wait: (data: Facts) => void = () => {},
): Promise<Failure | null> {
  const { checkDeadlineMs } = session.service;
  const { soft } = session.options.interrupts;
  const startedMs = performance.now();
  for (;;) {
    const dead = await findDead(session);
    if (dead !== null || session.released.size === 0) return dead;
    const found = await findDown(session);
    if (found === undefined || soft.aborted) return null;
    const { instance, released, reason } = found;
    if (performance.now() - startedMs > checkDeadlineMs) {
      const what = `is down for ${formatDuration(checkDeadlineMs)} (${reason})`;
      return failure(session, instance, released, what);
    }
    wait({ for: instance, down: reason });
    await pause(LOOK_EVERY_MS, soft);
  }
}

type Down = { readonly instance: string; readonly released: Released; readonly reason: string };

/** `down` is a verdict of several checks; `ejected` passes by itself, and maint is a person's. */
async function findDown(session: Session): Promise<Down | undefined> {
  let down: Down | undefined;
  await troubleOf(async () => {
    const { upstreams } = await session.options.control.status();
    const upstream = upstreams.find(({ name }) => name === session.service.upstream);
    const server = upstream?.servers.find(
      ({ id, admin, eligibility }) =>
        session.released.has(id) && admin.state === 'ready' && eligibility === 'down',
    );
    const released = session.released.get(server?.id ?? '');
    if (server === undefined || released === undefined) return;
    down = { instance: server.id, released, reason: server.checkReason || 'no reason given' };
  });
  return down;
}

async function failure(
  session: Session,
  instance: string,
  { running }: Released,
  what: string,
): Promise<Failure> {
  const evidence = await logEvidence(session.service, instance, running);
  const reason = `${instance}: ${what} after it had been released`;
  return { ...fail('release_failed', reason, evidence), fallen: instance };
}
