// The first questions of a release, for its lock and for the pool. A control plane that is away for them may
// be back in a moment, as after a restart, and nothing has been changed yet: it is asked again for a while,
// and that is said. Later ones are asked again by the rule of control-retry.ts.

import type { ReleaseRecords } from '../../admin/contract.ts';
import { messageOf } from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';
import type { ReleaseControl } from '../control.ts';
import { pause } from '../wait.ts';
import { type Around, around, isAway } from './control-retry.ts';

const ASK_EVERY_MS = 250;
/** The address may be wrong: then nobody wants to wait long, ms. */
const FIRST_LOOK_MS = 10_000;

export function firstLook(
  control: ReleaseControl,
  options: {
    /** How long a control plane that is away is asked again at most. */
    readonly retryForMs: number;
    readonly stop: AbortSignal;
    readonly onNote: (text: string) => void;
  },
): ReleaseControl {
  const { stop, onNote } = options;
  const forMs = Math.min(options.retryForMs, FIRST_LOOK_MS);
  // For all first questions together; 0 = nothing was in the way yet.
  let untilMs = 0;
  let isOver = false;
  const ask: Around = async (call) => {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (isOver || stop.aborted || !isAway(error)) throw error;
        if (untilMs === 0) {
          untilMs = performance.now() + forMs;
          if (forMs > 0) {
            onNote(`asking again for up to ${formatDuration(forMs)}: ${messageOf(error)}`);
          }
        }
        isOver = performance.now() >= untilMs;
        if (isOver) throw error;
      }
      await pause(ASK_EVERY_MS, stop);
    }
  };
  const { releases } = control;
  return {
    ...around(control, (call) => call()),
    status: async () => {
      const status = await ask(() => control.status());
      isOver = true;
      return status;
    },
    ...(releases === undefined ? {} : { releases: patient(releases, ask) }),
  };
}

function patient(releases: ReleaseRecords, ask: Around): ReleaseRecords {
  return {
    take: (service, request) => ask(() => releases.take(service, request)),
    renew: (service, body, stop) => releases.renew(service, body, stop),
    append: (service, body) => releases.append(service, body),
    close: (service, body) => releases.close(service, body),
    command: (service, body) => releases.command(service, body),
    history: (service) => releases.history(service),
    journal: (service, release) => releases.journal(service, release),
    instances: (service) => releases.instances(service),
    putInstance: (service, instance, body) => releases.putInstance(service, instance, body),
  };
}
