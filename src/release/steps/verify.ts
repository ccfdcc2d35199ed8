// Verify: what the instance answers to real requests, once it is in traffic, over all gateways. When the
// window is over, or as soon as it is clear that the version is bad, there is a verdict (verdict.ts).
// Peers are the instances that still have the old version: those that this release has moved already may
// be broken in the same way, and would make this one look normal.

import { isSluiceError, messageOf } from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';
import type { Receipt } from '../control.ts';
import type { Facts } from '../events.ts';
import { INTERRUPTED } from '../journal/replay.ts';
import type { Step } from '../plan.ts';
import type { InstanceRun } from '../run.ts';
import { done, failed, type StepEnd } from '../step-end.ts';
import type { StepDefinition } from '../steps.ts';
import {
  judge,
  minus,
  NOTHING,
  percentText,
  plus,
  type Tallies,
  type Tally,
  tallyOf,
} from '../verdict.ts';
import { pause } from '../wait.ts';
import { takenOut } from './claim.ts';
import { otherGateways } from './pool.ts';

const LOOK_EVERY_MS = 500;
/** A receipt that was lost is opened again so often, and the window begins anew. */
const REOPENED_MAX = 2;
const WHILE_VERIFIED = 'while it was verified';

export const verify: StepDefinition<'verify'> = {
  touches: true,
  facts: ({ windowMs, errorShareMax, vsPeers, peers }) => ({
    window: formatDuration(windowMs),
    max_5xx: percentText(errorShareMax),
    vs_peers: vsPeers,
    peers: peers.length,
  }),
  run: async (step, run) => {
    const { control, controlRetryMs, options, traffic } = run.release;
    const { upstream } = run.service;
    const { soft } = options.interrupts;
    let id = traffic?.id ?? (await control.openReceipt(upstream)).id;
    let counts = await Counts.begin(run, step.peers);
    let reopened = 0;
    let startedMs = performance.now();
    let heardMs = startedMs;
    for (;;) {
      const ended = await run.ended();
      if (ended !== '') {
        const reason = `process ${ended} ${WHILE_VERIFIED}`;
        return failed('release_failed', reason, await run.logEvidence());
      }
      const taken = takenOut(run, await run.serverNow(), WHILE_VERIFIED);
      if (taken !== null) return taken;
      const isOver = soft.aborted || performance.now() - startedMs >= step.windowMs;
      try {
        // Not the control that asks again: a count that comes late is of a later moment.
        const receipt = await options.control.readReceipt(id);
        heardMs = performance.now();
        const { kind, facts } = judge(counts.tallies(receipt), step, isOver);
        const said = { ...facts, ...otherGateways(receipt.scope) };
        if (kind === 'bad') return bad(run, said);
        if (kind === 'good') return done(said);
        if (kind === 'too_few') {
          const why = soft.aborted ? INTERRUPTED : `fewer than ${step.minRequests} requests`;
          return undecided(step, run, why, said);
        }
        run.wait(facts);
      } catch (error) {
        if (!isSluiceError(error)) throw error;
        if (error.code === 'not_found') {
          // The gateway restarted and has forgotten what it had counted: the window begins anew.
          if (reopened >= REOPENED_MAX) return undecided(step, run, messageOf(error), {});
          reopened += 1;
          id = (await control.openReceipt(upstream)).id;
          counts = Counts.fromZero(run, step.peers);
          startedMs = performance.now();
          heardMs = startedMs;
        } else {
          const waitedMs = performance.now() - heardMs;
          if (soft.aborted || waitedMs > controlRetryMs) throw error;
        }
      }
      await pause(Math.min(LOOK_EVERY_MS, step.windowMs / 4), soft);
    }
  },
};

/** Too little is known: what that means is the configuration's matter. */
async function undecided(
  step: Step<'verify'>,
  run: InstanceRun,
  why: string,
  facts: Facts,
): Promise<StepEnd> {
  if (step.onTooFew === 'pass' || run.release.options.interrupts.soft.aborted)
    return done({ ...facts, not_judged: why });
  const reason = `verify failed: not judged, ${why} (verify.on_too_few: fail)`;
  return failed('release_failed', reason, await run.logEvidence());
}

async function bad(run: InstanceRun, facts: Facts): Promise<StepEnd> {
  const { share, limit, requests, errors, peers, missing } = facts;
  const others = peers === 'none' ? 'nobody to compare with' : `the old version: ${peers}`;
  const unheard = missing === undefined ? '' : `; ${missing}`;
  const reason = `verify failed: ${errors} of ${requests} requests (${share}) got a 5xx or no answer, over the limit of ${limit}; ${others}${unheard}`;
  return failed('release_failed', reason, await run.logEvidence());
}

/** What was counted before, to be taken off. */
class Counts {
  readonly #instance: string;
  readonly #peers: readonly string[];
  readonly #start: ReadonlyMap<string, Tally>;
  readonly #before: Tally;

  private constructor(
    instance: string,
    peers: readonly string[],
    start: ReadonlyMap<string, Tally>,
    before: Tally,
  ) {
    this.#instance = instance;
    this.#peers = peers;
    this.#start = start;
    this.#before = before;
  }

  static async begin(run: InstanceRun, peers: readonly string[]): Promise<Counts> {
    const { traffic } = run.release;
    if (traffic === null) return Counts.fromZero(run, peers);
    const still = onOldVersion(run, peers);
    const receipt = await traffic.lookNow();
    const now = tallies(receipt);
    const before = traffic.oldVersion(receipt, still);
    // Nothing was sent to it between its mark and its admission.
    const marked = await traffic.marked(run.instance);
    if (marked !== undefined) now.set(run.instance, marked);
    return new Counts(run.instance, still, now, before);
  }

  /** Of a receipt that is new. */
  static fromZero(run: InstanceRun, peers: readonly string[]): Counts {
    return new Counts(run.instance, onOldVersion(run, peers), new Map(), NOTHING);
  }

  tallies(receipt: Receipt): Tallies {
    const now = tallies(receipt);
    const since = (id: string): Tally =>
      minus(now.get(id) ?? NOTHING, this.#start.get(id) ?? NOTHING);
    const siblings = this.#peers.map(since).reduce(plus, NOTHING);
    return { fresh: since(this.#instance), siblings, before: plus(this.#before, siblings) };
  }
}

function onOldVersion({ release }: InstanceRun, peers: readonly string[]): readonly string[] {
  return peers.filter((id) => release.settled.get(id)?.outcome !== 'released');
}

function tallies({ servers }: Receipt): Map<string, Tally> {
  return new Map(servers.map((server) => [server.id, tallyOf(server)]));
}
