// A control plane that is away for a moment (it restarts, its machine is busy) is no reason to give
// up a release half-way: calls that found nobody, or got no answer, are made again for a while.
// Every call of ReleaseControl may be repeated: admin changes name the state wanted, not a difference.

import type { ReleaseRecords } from '../../admin/contract.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import type { ReleaseControl } from '../control.ts';
import { pause } from '../wait.ts';

const RETRY_EVERY_MS = 250;
/** A job that is cancelled is killed 2.5 s after its second signal; until then it has a few calls to make. */
const HURRIED_MS = 500;
/** Of one that has not answered in that time, each further call. */
const SILENT_MS = 50;

/** Nobody was there, or nobody answered. */
export function isAway(error: unknown): boolean {
  return isSluiceError(error) && (error.code === 'unreachable' || error.code === 'timeout');
}

/** How a call is made: again after a while, for a bounded time. */
export type Around = <Result>(call: () => Promise<Result>) => Promise<Result>;

/** The control with each of its calls made this way; the records of releases as they are. */
export function around(control: ReleaseControl, made: Around): ReleaseControl {
  const { releases } = control;
  return {
    status: () => made(() => control.status()),
    setAdmin: (upstream, server, change) => made(() => control.setAdmin(upstream, server, change)),
    awaitIdle: (upstream, server, timeoutMs) =>
      made(() => control.awaitIdle(upstream, server, timeoutMs)),
    register: (upstream, server, request) =>
      made(() => control.register(upstream, server, request)),
    deregister: (upstream, server, request) =>
      made(() => control.deregister(upstream, server, request)),
    openReceipt: (upstream) => made(() => control.openReceipt(upstream)),
    readReceipt: (id) => made(() => control.readReceipt(id)),
    ...(releases === undefined ? {} : { releases }),
  };
}

/** `stop` ends the waiting, not a call that is under way. */
export function withRetry(
  control: ReleaseControl,
  options: {
    readonly retryForMs: number;
    readonly stop: AbortSignal;
    /** Nobody answered for so long, ms: told after each try. */
    readonly onAway?: (ms: number) => void;
  },
): ReleaseControl {
  const retry = async <Result>(call: () => Promise<Result>): Promise<Result> => {
    const deadlineMs = performance.now() + options.retryForMs;
    let askedMs = performance.now();
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!isAway(error) || options.stop.aborted || performance.now() >= deadlineMs) throw error;
      }
      await pause(RETRY_EVERY_MS, options.stop);
      options.onAway?.(performance.now() - askedMs);
      askedMs = performance.now();
    }
  };
  return { ...around(control, retry), readReceipt: (id) => control.readReceipt(id) };
}

/**
 * After the second signal no call lasts long: what is left behind is to be said before the process is
 * killed, also when the control plane does not answer.
 */
export function hurried(control: ReleaseControl, hard: AbortSignal): ReleaseControl {
  /** It has not answered once: nobody expects more of it. */
  let isSilent = false;
  const hurry = async <Result>(call: Promise<Result>): Promise<Result> => {
    const over = new AbortController();
    const late = async (): Promise<never> => {
      while (!hard.aborted && !over.signal.aborted) await pause(60_000, hard, over.signal);
      await pause(isSilent ? SILENT_MS : HURRIED_MS, over.signal);
      isSilent ||= !over.signal.aborted;
      throw new SluiceError('timeout', 'control plane: no answer after the second signal');
    };
    try {
      return await Promise.race([call, late()]);
    } finally {
      over.abort();
    }
  };
  const { releases } = control;
  return {
    ...around(control, (call) => hurry(call())),
    ...(releases === undefined ? {} : { releases: hurriedRecords(releases, hurry) }),
  };
}

/** What is looked up of the records; what is written is waited for elsewhere. */
function hurriedRecords(
  records: ReleaseRecords,
  hurry: <Result>(call: Promise<Result>) => Promise<Result>,
): ReleaseRecords {
  return {
    ...records,
    history: (service) => hurry(records.history(service)),
    journal: (service, release) => hurry(records.journal(service, release)),
    instances: (service) => hurry(records.instances(service)),
  };
}
