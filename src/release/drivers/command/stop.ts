// Stopping an instance: TERM (`stop.signal`) to its leader alone, so that a leader with children of its
// own can end them in its order; TERM to what is left once the leader is gone, or has not ended within its share
// of the time; KILL to what is left after all of it. Never the whole group at once: a wrapper (npm, a
// shell) is often gone within milliseconds, while the server below it has requests to answer.
//
// With `stop.to: tree` all of them are told at once.
//
//   stop.timeout 30 s        0        10 s                30 s
//   leader only              TERM                         KILL
//   wrapper that goes        TERM (TERM to the rest)      KILL to the rest
//   wrapper that stays       TERM     TERM to the rest    KILL to both

import type { Facts } from '../../events.ts';
import type { Host, ProcessName, SignalName } from '../../hosts.ts';
import { pause } from '../../wait.ts';
import type { StopOptions } from '../driver.ts';
import { instanceProcesses, livingOf } from '../processes.ts';
import { closedPort } from '../stranger.ts';
import type { CommandScope } from './command-launch.ts';
import { signalAs } from './user.ts';

/** How often processes that are not our children are looked at. */
const POLL_MS = 20;
/** How often the whole process table is read for children that are new. */
const SCAN_EVERY_MS = 250;
/** What a leader with children has of the timeout until they are told, too. */
const LEADER_SHARE = 1 / 3;
/** How long a killed process may take to leave. */
const KILL_WAIT_MS = 5000;
/** How long after a leader's end it is looked again for what it has left behind. */
const SECOND_LOOK_MS = 100;
const LISTED_MAX = 5;

export type StopOutcome = {
  /** The strongest signal that was sent; '' when all were gone already. */
  readonly signal: '' | SignalName;
  /** Who got the first signal and KILL, in the order in which they got it. */
  readonly termed: readonly number[];
  readonly killed: readonly number[];
  /** How many besides the leader had to be told. */
  readonly left: number;
  /** What did not end, or who has the port now; '' when the instance is gone and its port closed. */
  readonly trouble: string;
};

/** Done when all processes of the instance are gone and its port is closed. */
export async function stopInstance(
  scope: CommandScope,
  leader: ProcessName | null,
  options: StopOptions,
): Promise<StopOutcome> {
  const { host } = scope;
  const { stopSignal, stopTo } = scope.service;
  const { timeoutMs } = options;
  const family = new Family(scope, leader);
  await family.scan();
  const startedMs = performance.now();
  const deadlineMs = startedMs + timeoutMs;
  const shareMs = startedMs + timeoutMs * LEADER_SHARE;
  // One that may not be told (sudo belongs to root) ends with those below it.
  const isTold = leader !== null && (await family.signal(leader, stopSignal));
  const toAll = stopTo === 'tree' || !isTold;
  for (;;) {
    const alive = await family.alive();
    const nowMs = performance.now();
    if (alive.length === 0 || nowMs >= deadlineMs) break;
    const hasLeader = leader !== null && (await host.isAlive(leader));
    if (toAll || !hasLeader || nowMs >= shareMs) {
      await family.tell(alive, stopSignal);
    }
    options.wait?.({ leader: hasLeader ? 'alive' : 'gone', left: alive.length });
    await pause(Math.min(POLL_MS, deadlineMs - nowMs));
  }
  const trouble = (await family.kill()) || (await closedPort(scope));
  return { ...family.account(), trouble };
}

/** What lives of an instance whose leader has ended; none while the leader lives. */
export async function leftBehind(
  { host, mark }: CommandScope,
  leader: ProcessName,
): Promise<readonly ProcessName[]> {
  if (await host.isAlive(leader)) return [];
  const found = await instanceProcesses(host, mark, leader);
  if (found.length > 0) return found;
  // One that is just being replaced by the program it runs shows no environment for a moment.
  await pause(SECOND_LOOK_MS);
  return instanceProcesses(host, mark, leader);
}

/** The processes of one instance, and which of them got which signal. */
class Family {
  readonly #host: Host;
  readonly #mark: string;
  readonly #user: string;
  readonly #leader: ProcessName | null;
  readonly #claim: CommandScope['claim'];
  readonly #known = new Map<string, ProcessName>();
  readonly #told = new Map<string, number>();
  readonly #killed = new Map<string, number>();
  #first: SignalName = 'TERM';
  #scannedMs = 0;

  constructor({ host, mark, service, claim }: CommandScope, leader: ProcessName | null) {
    this.#host = host;
    this.#claim = claim;
    this.#mark = mark;
    this.#user = service.user;
    this.#leader = leader;
  }

  /** What is known stays known when its parent, session or environment do not prove it any more. */
  async scan(): Promise<void> {
    const roots = [...this.#known.values()];
    const found = await instanceProcesses(this.#host, this.#mark, this.#leader ?? undefined, roots);
    for (const one of found) this.#known.set(key(one), one);
    this.#scannedMs = performance.now();
  }

  /** Those that live now; none only if a fresh look finds none. */
  async alive(): Promise<readonly ProcessName[]> {
    const isDue = performance.now() - this.#scannedMs >= SCAN_EVERY_MS;
    if (isDue || (await this.#living()).length === 0) await this.scan();
    return this.#living();
  }

  /** What is alive may be a later release's by now: each signal is sent under the claim. */
  async tell(alive: readonly ProcessName[], name: SignalName): Promise<void> {
    for (const one of alive) await this.signal(one, name);
  }

  /** Each process gets each signal once. One that may not be signalled stays alive and is named. */
  async signal(one: ProcessName, name: SignalName): Promise<boolean> {
    const sent = name === 'KILL' ? this.#killed : this.#told;
    if (name !== 'KILL') this.#first = name;
    if (sent.has(key(one))) return true;
    const isSent =
      (await this.#host.signal(one, name, this.#claim)) ||
      (this.#user !== '' && (await signalAs(this.#host, this.#user, one, name, this.#claim)));
    if (isSent) sent.set(key(one), one.pid);
    return isSent;
  }

  /** Ends what is left; what does not end, in words. */
  async kill(): Promise<string> {
    const deadlineMs = performance.now() + KILL_WAIT_MS;
    for (;;) {
      const alive = await this.alive();
      const [first] = alive;
      if (first === undefined) return '';
      await this.tell(alive, 'KILL');
      if (performance.now() > deadlineMs) {
        const why = this.#killed.has(key(first)) ? 'will not die' : 'may not be signalled by us';
        const name = `pid ${first.pid} (${await this.#host.commandOf(first.pid)})`;
        return `the old process did not end: ${name} ${why}`;
      }
      await pause(POLL_MS);
    }
  }

  account(): Omit<StopOutcome, 'trouble'> {
    const others = new Set([...this.#told.keys(), ...this.#killed.keys()]);
    if (this.#leader !== null) others.delete(key(this.#leader));
    return {
      signal: this.#killed.size > 0 ? 'KILL' : this.#told.size > 0 ? this.#first : '',
      termed: [...this.#told.values()],
      killed: [...this.#killed.values()],
      left: others.size,
    };
  }

  #living(): Promise<readonly ProcessName[]> {
    return livingOf(this.#host, [...this.#known.values()]);
  }
}

/** `signal=KILL left=2 term="11, 12, 13" kill=13`: who got what, where that is more than one signal. */
export function stopFacts({ signal, left, termed, killed }: StopOutcome): Facts {
  return {
    signal: signal === '' ? 'none' : signal,
    ...(left === 0 ? {} : { left, term: listed(termed) }),
    ...(killed.length === 0 ? {} : { kill: listed(killed) }),
  };
}

function listed(pids: readonly number[]): string {
  const more = pids.length > LISTED_MAX ? ` and ${pids.length - LISTED_MAX} more` : '';
  return `${pids.slice(0, LISTED_MAX).join(', ')}${more}`;
}

function key({ pid, identity }: ProcessName): string {
  return `${pid}/${identity}`;
}
