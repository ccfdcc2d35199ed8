// A change of intent that all gateways shall know: decided on the newest intents of the registry, with the
// guard's question over all gateways, and written with the record's `down`. While the registry is away
// it holds on this gateway alone, and is written when the registry is back.

import type { AdminRequest } from '../../admin.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import { within } from '../../base/within.ts';
import type { Gateways, PendingIntent } from '../../gateways.ts';
import { type Admin, READY } from '../../model.ts';
import type { RecordWrite } from '../../registry.ts';
import { checkOwner, isSaid } from '../intent-rules.ts';
import type { Others } from '../others.ts';

/** A registry that does not answer within this time is away, ms. */
const WRITE_DEADLINE_MS = 4000;
/**
 * So long where the change cannot be made without it, with the time for the others, ms: an etcd that elects
 * a leader answers after some seconds. Whoever asks waits for ten.
 */
const GUARDED_DEADLINE_MS = 8500;
/** Others may take so long to confirm the change before, ms; then the guard says that they did not. */
const CURRENT_DEADLINE_MS = 2000;

export type IntentChange = {
  readonly upstream: string;
  readonly server: string;
  readonly request: AdminRequest;
  /** Judges the servers of all gateways as they are now. @throws guard_refused */
  readonly guard: () => void;
  /** Of a release: it fails when the runner has lost its lock. Before the registry, and while it is away. */
  readonly lock?: LockClaim;
};

export type LockClaim = {
  /** Writes that fail when the lock is not what it must be. @throws locked, registry_… */
  readonly claim: () => Promise<readonly RecordWrite[]>;
  /** The same by what is known, without asking. @throws locked */
  readonly check: () => void;
};

/** The check of a claim that cannot be made without the registry. */
export function away(): never {
  throw new SluiceError('registry_unreachable', 'the registry does not answer');
}

export type IntentWriterOptions = {
  readonly gateways: Gateways;
  readonly others: Others;
  /** Durable when it returns. @throws storage_full, storage_failed */
  readonly save: (intent: PendingIntent) => void;
  readonly beside: (
    upstream: string,
    server: string,
    admin: Admin,
  ) => Promise<readonly RecordWrite[]>;
};

export class IntentWriter {
  readonly #options: IntentWriterOptions;

  constructor(options: IntentWriterOptions) {
    this.#options = options;
  }

  /** @throws conflict, guard_refused, registry_…, storage_… */
  async change(change: IntentChange): Promise<void> {
    const { gateways, others, beside } = this.#options;
    const { upstream, server, request, guard, lock } = change;
    const { state, owner, reason, keepEligible, ifOwner } = request;
    const isGuarded = keepEligible !== undefined && state !== 'ready';
    const wanted: Admin = state === 'ready' ? READY : { state, owner, reason, sinceMs: Date.now() };
    /** @throws conflict */
    const wasSaid = (admins: ReadonlyMap<string, Admin>): boolean => {
      const current = admins.get(server) ?? READY;
      checkOwner(server, current, ifOwner);
      return isSaid(current, request);
    };
    let isRefused = false;
    // What was said before is said anew: a gateway that cannot be heard may have given the server back meanwhile.
    const decide = (admins: ReadonlyMap<string, Admin>) => {
      // The registry is back after whoever asked was told no.
      if (isRefused) throw new SluiceError('guard_refused', `upstream "${upstream}": too late`);
      if (!wasSaid(admins) && isGuarded) guard();
      return { server, admin: wanted };
    };
    const guardedUntilMs = performance.now() + GUARDED_DEADLINE_MS;
    const isSent = gateways.isReachable;
    if (isSent) {
      if (isGuarded) await others.untilCurrent(upstream, CURRENT_DEADLINE_MS);
      // The lock first: what lies beside may be written at once, into another registry.
      const written = gateways.intents.change(upstream, decide, async (admin) => [
        ...((await lock?.claim()) ?? []),
        ...(await beside(upstream, server, admin)),
      ]);
      const needsOthers = isGuarded && others.capacities(upstream).length > 0;
      const waitMs = needsOthers ? guardedUntilMs - performance.now() : WRITE_DEADLINE_MS;
      if (await isWritten(written, waitMs)) return;
    }
    try {
      this.#keep(change, wasSaid, wanted, isSent);
    } catch (error) {
      isRefused = true;
      throw error;
    }
  }

  /** The registry is away. `isSent`: it was asked to take the change, and did not answer. */
  #keep(
    { upstream, server, request, guard, lock }: IntentChange,
    wasSaid: (admins: ReadonlyMap<string, Admin>) => boolean,
    admin: Admin,
    isSent: boolean,
  ): void {
    const { gateways, others, save } = this.#options;
    lock?.check();
    const admins = gateways.intents.admins(upstream);
    const isSame = wasSaid(admins);
    if (isSame && request.state === 'ready') return;
    if (!isSame && request.keepEligible !== undefined && request.state !== 'ready') {
      // What they said last may be old: the registry did not even take the change.
      const [other] = others.capacities(upstream);
      if (other !== undefined) {
        const text = `upstream "${upstream}": the registry does not answer, so nobody knows which servers can be used on ${other.gateway}; see "sluice gateways"`;
        const late = isSent ? `; it may take the change yet: see "sluice status ${upstream}"` : '';
        throw new SluiceError('guard_refused', `${text}${late}`);
      }
      guard();
    }
    const base = admins.get(server) ?? READY;
    save({ upstream, server, admin, base });
    gateways.keep({ upstream, server, admin });
  }
}

/** False when the registry is away; what it did not take in time it may still take. */
async function isWritten(written: Promise<void>, waitMs: number): Promise<boolean> {
  try {
    return await within(
      written.then(() => true),
      waitMs,
      false,
    );
  } catch (error) {
    if (isSluiceError(error) && error.code === 'registry_unreachable') return false;
    throw error;
  }
}
