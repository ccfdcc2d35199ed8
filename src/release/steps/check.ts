// Is the new process fit for traffic? It answers `rise` times in a row on connections of our own, in
// the version that was asked for; the process that answers is the one that was started; and the
// control plane's own checks, which look from where the requests come from, agree. Before the
// deadline; and at once without waiting for it when the process dies or the wrong version answers.
//
// Failures that speak against the version have the code release_failed. That the server was removed
// from the upstream does not (`gone`), and what the control plane cannot answer is thrown with the
// control plane's own code.

import { type Address, formatDuration } from '../../base/units.ts';
import type { ServiceConfig } from '../../config.ts';
import type { PoolServer } from '../control.ts';
import type { Running } from '../drivers/command.ts';
import { leftBehind } from '../drivers/stop.ts';
import { strangerOn } from '../drivers/stranger.ts';
import type { Facts } from '../events.ts';
import { commandOf, type ProcessName } from '../hosts/process-table.ts';
import type { Step } from '../plan.ts';
import { type Answer, probe } from '../probe.ts';
import type { Failure, Outcome } from '../steps.ts';
import { pause } from '../wait.ts';
import { claimOn } from './claim.ts';

/** Between probes while nothing listens yet: asking costs nothing then, and waiting does. */
const REFUSED_INTERVAL_MS = 100;
/** How often the end of the process is looked for while waiting for the next probe. */
const WATCH_EVERY_MS = 25;
/** How often it is asked whether somebody has taken the server meanwhile. */
const CLAIM_EVERY_MS = 250;
/** A record may be replaced by deleting and writing it: only one that stays away is gone. */
export const GONE_AFTER_MS = 2000;

export async function checkInstance(
  options: Omit<Step & { kind: 'check' }, 'kind'> & {
    readonly service: ServiceConfig;
    readonly instance: string;
    readonly address: Address;
    readonly running: Running;
    /** The server as the control plane sees it now; it waits while the control plane is away. */
    readonly server: () => Promise<PoolServer | undefined>;
    /** The same without waiting: null while it cannot be asked. */
    readonly look: () => Promise<PoolServer | undefined | null>;
    /** Our name as the holder of the server. */
    readonly owner: string;
    readonly wait: (data: Facts) => void;
  },
): Promise<Outcome> {
  const { service, address, running, rise, deadlineMs } = options;
  const startedMs = performance.now();
  /** The deadline is the version's: while the control plane is waited for, it does not run. */
  let waitedMs = 0;
  const elapsed = (): string => formatDuration(performance.now() - startedMs);
  let passes = 0;
  let last = 'none yet';
  let gateway = '';
  let goneSinceMs = Number.POSITIVE_INFINITY;
  let claimedAtMs = Number.NEGATIVE_INFINITY;
  for (;;) {
    // In maint the gateway's checks rest, and a person may do anything to the process.
    if (performance.now() - claimedAtMs >= CLAIM_EVERY_MS) {
      const taken = takenFrom((await options.look()) ?? undefined);
      if (taken !== null) return taken;
      claimedAtMs = performance.now();
    }
    const answer = await raceEnd(running, probe(address, { ...service, ...options }));
    if (answer === undefined || running.ended() !== '') {
      const daemon = await daemonLeftBy(service, options.instance, running.process);
      return failed(`process ${running.ended()} after ${elapsed()}${daemon}`, last);
    }
    last = answer.text;
    const wrong = answer.ok ? await wrongAnswer(options, answer) : '';
    if (wrong !== '') return failed(wrong, last);
    if (!answer.isVoid) passes = answer.ok ? passes + 1 : 0;
    if (answer.ok && passes >= rise) {
      const askedMs = performance.now();
      // The process may die while the control plane is waited for; that is seen at the next round.
      const asked = await raceEnd(
        running,
        options.server().then((server) => ({ server })),
      );
      if (asked === undefined) continue;
      const nowMs = performance.now();
      waitedMs += nowMs - askedMs;
      const taken = takenFrom(asked.server);
      if (taken !== null) return taken;
      gateway = disagreement(asked.server);
      goneSinceMs =
        asked.server === undefined ? Math.min(goneSinceMs, nowMs) : Number.POSITIVE_INFINITY;
      if (nowMs - goneSinceMs >= GONE_AFTER_MS) return gone(service.upstream);
      if (gateway === '') {
        const version = answer.version === '' ? 'not checked' : answer.version;
        return { ok: true, data: { answer: answer.text, version, passes } };
      }
    }
    if (performance.now() - startedMs - waitedMs > deadlineMs) {
      const verdict = gateway === '' ? 'not healthy' : `healthy from here, but ${gateway}`;
      return failed(`${verdict} within ${formatDuration(deadlineMs)}`, last);
    }
    const shown = gateway === '' ? {} : { gateway };
    options.wait({ passes: `${Math.min(passes, rise)}/${rise}`, last: answer.text, ...shown });
    const { intervalMs } = options;
    const soon = answer.refused || passes >= rise;
    await raceEnd(running, pause(soon ? Math.min(REFUSED_INTERVAL_MS, intervalMs) : intervalMs));
  }

  /** The version's failure, unless somebody has the server by now: then it is theirs. */
  async function failed(reason: string, lastProbe: string): Promise<Outcome> {
    const server = (await options.look()) ?? undefined;
    const taken = takenFrom(server);
    if (taken !== null) return taken;
    const evidence = [`last probe: ${lastProbe}`];
    const failure = {
      ok: false,
      code: 'release_failed',
      reason: `check failed: ${reason}`,
    } as const;
    if (server?.admin.state !== 'ready') return { ...failure, evidence };
    return {
      ...failure,
      evidence,
      left: `${claimOn(server.admin, options.owner)} while it was checked`,
    };
  }

  /** A server that a person has put into traffic is judged all the same: they want the version. */
  function takenFrom(server: PoolServer | undefined): Failure | null {
    if (server === undefined || server.admin.state === 'ready') return null;
    const claim = claimOn(server.admin, options.owner);
    if (claim === '') return null;
    return { ok: false, code: 'taken', reason: `${claim} while it was checked`, evidence: [] };
  }

  /** A healthy answer that proves that the wrong thing runs; '' when it is what was asked for. */
  async function wrongAnswer(wanted: typeof options, answer: Answer): Promise<string> {
    const port = service.checkRequest.port || wanted.address.port;
    const stranger =
      (await strangerOn(service, address, running.process)) ||
      (port === wanted.address.port
        ? ''
        : await strangerOn(service, { ...address, port }, running.process));
    const who = stranger === '' ? `pid ${running.process.pid}` : stranger;
    if (wanted.versionHeader !== '' && answer.version !== wanted.version) {
      return answer.version === ''
        ? `port ${port} answers without ${wanted.versionHeader}, so its version is not known (${who})`
        : `port ${port} still answers ${answer.version}, not ${wanted.version} (${who})`;
    }
    return stranger === ''
      ? ''
      : `port ${port} is answered by ${stranger}, not by what was started`;
  }
}

/** What a start command that ended has left running: said only when it was seen. */
async function daemonLeftBy(
  service: ServiceConfig,
  instance: string,
  leader: ProcessName,
): Promise<string> {
  const [first] = await leftBehind(service, instance, leader);
  if (first === undefined) return '';
  const what = `pid ${first.pid} (${await commandOf(first.pid)})`;
  return ` and left ${what} running; the start command must stay in the foreground`;
}

/** Undefined when the process ended first. */
async function raceEnd<Result>(
  running: Running,
  wanted: Promise<Result>,
): Promise<Result | undefined> {
  let isSettled = false;
  const ended = (async (): Promise<undefined> => {
    while (!isSettled && running.ended() === '') await pause(WATCH_EVERY_MS);
    return undefined;
  })();
  try {
    return await Promise.race([wanted, ended]);
  } finally {
    isSettled = true;
  }
}

/** The server was removed from the upstream, as a scale-in does: nobody can admit it. */
export function gone(upstream: string): Outcome {
  const reason = `its record is gone: upstream "${upstream}" has no such server any more`;
  return { ok: false, code: 'gone', reason, evidence: [] };
}

/** What the control plane's checks say against it; '' when they agree or there are none. */
function disagreement(server: PoolServer | undefined): string {
  if (server === undefined) return 'the upstream no longer has this server';
  if (server.checkType === 'none' || server.checks === 'up') return '';
  // The registry's `down`: the gateway's checks rest, and who lets it in is not for us to say.
  if (server.admin.state === 'maint') return '';
  return `the gateway's check says ${server.checks} (${server.checkReason || 'no probe yet'})`;
}
