// What is said of the keeper of an instance, on a host that has one.

import type { Keeper } from '../../hosts.ts';
import type { Kept } from '../driver.ts';

const DEPLOY = 'deploy it again (--force at the same version)';

/** Null: it was started without one. */
export function keptWords(keeper: Keeper | null): Kept | null {
  if (keeper === null) {
    const text = 'nobody starts it again when it ends: it was started without a keeper';
    return { text, advice: DEPLOY, isNews: false };
  }
  const { mode, isAlive, isKept, isSameBoot } = keeper;
  const before = restartsOf(keeper);
  if (mode === 'off') return { text: 'was stopped', advice: '', isNews: false };
  if (mode === 'lost') return news(`given up: ${before}`, DEPLOY);
  if (mode === 'done') {
    return news(`not started again: it ${endOf(keeper)}, as one that somebody ends`, DEPLOY);
  }
  if (!isSameBoot) return news('ended with its host, which was started anew since', DEPLOY);
  if (!isKept) return news('nobody starts it again when it ends: its keeper was ended', DEPLOY);
  if (mode === 'left') {
    return news('not started again: what it had started still runs', DEPLOY);
  }
  if (mode === 'new') {
    const text = 'not started again when it ends: no release has let it into traffic yet';
    return { text, advice: '', isNews: false };
  }
  const rest = isAlive ? '' : `; ended now, ${mode === 'hold' ? 'held' : 'will be started'}`;
  if (before === '') {
    const text = `started again when it ends${rest}, but not after a reboot: driver systemd, docker or pm2 does that`;
    return { text, advice: '', isNews: false };
  }
  return news(`${before}${rest}`, '');
}

/** `started again 3 times since 2026-11-27T01:02:03Z, last: exited with code 7 at 2026-11-27T04:00:00Z` */
function restartsOf(keeper: Keeper): string {
  const { restarts, sinceMs } = keeper;
  if (restarts === 0) return '';
  const times = restarts === 1 ? 'once' : `${restarts} times`;
  return `started again ${times} since ${timeOf(sinceMs)}, last: ${endOf(keeper)}`;
}

/** A shell says of a signal 128 and its number. */
function endOf({ code, endedMs }: Keeper): string {
  const how =
    code === null
      ? 'ended'
      : code > 128 && code < 160
        ? `was ended by signal ${code - 128}`
        : `exited with code ${code}`;
  return `${how} at ${timeOf(endedMs)}`;
}

/** By the clock of its host. */
function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function news(text: string, advice: string): Kept {
  return { text, advice, isNews: true };
}
