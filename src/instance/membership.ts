// How an instance gets into traffic and out of it, through the control API of any gateway. Both may be
// called again, also after one that was cut off.
//
// admit:    register with down → it answers here → the gateways' checks pass → down goes → every gateway
//           sends it requests (the ramp is the upstream's slow_start)
// withdraw: drain on all gateways → nothing in flight → deregister

import { setTimeout as delay } from 'node:timers/promises';
import type { Control, DrainDocument, ServerDocument } from '../admin.ts';
import { SluiceError } from '../base/errors.ts';
import type { Scope } from '../base/scope.ts';
import { formatDuration } from '../base/units.ts';
import { isRecordOwner } from '../model.ts';

export type InstanceControl = Pick<
  Control,
  'status' | 'setAdmin' | 'awaitIdle' | 'register' | 'deregister'
>;

export type InstanceTarget = {
  readonly control: InstanceControl;
  readonly upstream: string;
  /** `host:port`, as the gateways reach it. */
  readonly server: string;
  /** Of its own drains: `instance:web-1`. */
  readonly owner: string;
  /** For all of it, ms. */
  readonly timeoutMs: number;
};

export type AdmitEnd =
  | { readonly kind: 'admitted' }
  /** It took requests already. */
  | { readonly kind: 'was in' }
  /** Registered and healthy, but somebody has taken it out, and that holds. */
  | { readonly kind: 'held'; readonly by: string; readonly reason: string };

export type LeaveEnd =
  | { readonly kind: 'left'; readonly scope: Scope }
  /** There was nothing to leave. */
  | { readonly kind: 'was out' };

const LOOK_EVERY_MS = 200;

/** `answers`: asks the instance itself. @throws timeout, with it registered and down; what the control API refuses */
export async function admit(
  target: InstanceTarget & {
    readonly answers: () => Promise<boolean>;
    readonly weight?: number;
  },
): Promise<AdmitEnd> {
  const { control, upstream, server, owner, answers, weight } = target;
  const until = waiting(target);
  const first = await find(target);
  if (first !== undefined && isIn(first) && (await answers())) return { kind: 'was in' };
  const asked = { owner, ...(weight === undefined ? {} : { weight }) };
  await control.register(upstream, server, { ...asked, down: true });
  // Of a leave that was cut off.
  if (first?.admin.owner === owner) await giveBack(target);
  await until('it does not answer', answers);
  let last = '';
  await until(
    () => `the checks of the gateway say ${last}`,
    async () => {
      const seen = await find(target);
      last = seen === undefined ? 'nothing of it' : `${seen.checks} (${seen.checkReason})`;
      if (seen === undefined) return false;
      // Nobody looks at it in maint.
      return seen.checks === 'up' || seen.checks === 'off' || isHeld(seen, owner);
    },
  );
  await control.register(upstream, server, { ...asked, down: false });
  let end: AdmitEnd = { kind: 'admitted' };
  try {
    await until(
      () => `not every gateway sends it requests: ${last}`,
      async () => {
        const seen = await find(target);
        last = seen === undefined ? 'it is not there' : whereOut(seen);
        if (seen === undefined) return false;
        if (!isHeld(seen, owner)) return isIn(seen);
        end = { kind: 'held', by: seen.admin.owner, reason: seen.admin.reason };
        return true;
      },
    );
  } catch (error) {
    // What not all see as healthy is not left half in.
    await control.register(upstream, server, { ...asked, down: true });
    throw error;
  }
  return end;
}

/** @throws timeout, with it drained and still registered; what the control API refuses */
export async function withdraw(target: InstanceTarget): Promise<LeaveEnd> {
  const { control, upstream, server, owner, timeoutMs } = target;
  const startedMs = performance.now();
  const first = await find(target);
  if (first === undefined) return { kind: 'was out' };
  let drain: DrainDocument | undefined;
  // A person's word stays, unless it is given back; a record's is joined by one that all gateways confirm.
  const { admin, givenBack } = first;
  if (admin.state === 'ready' || givenBack || isRecordOwner(admin.owner)) {
    const request = { state: 'drain', owner, reason: 'the instance leaves' } as const;
    drain = await control.setAdmin(upstream, server, request);
  }
  if (drain?.idle !== true) {
    const leftMs = Math.max(0, timeoutMs - (performance.now() - startedMs));
    drain = await control.awaitIdle(upstream, server, leftMs);
  }
  if (!drain.idle) {
    const what = drain.acknowledged
      ? `${drain.inFlight} still in flight`
      : 'not every gateway has confirmed the drain';
    throw late(target, `${what}; it stays drained and registered`);
  }
  await control.deregister(upstream, server, { owner });
  return { kind: 'left', scope: drain.scope };
}

/** Somebody else has taken it out, and has not given it back. */
function isHeld({ admin, givenBack }: ServerDocument, owner: string): boolean {
  const { state, owner: by } = admin;
  return state !== 'ready' && !givenBack && !isRecordOwner(by) && by !== owner;
}

/** Every live gateway sends it requests. */
function isIn(seen: ServerDocument): boolean {
  return seen.eligibility === 'ok' && seen.settled && seen.outElsewhere.length === 0;
}

function whereOut({ eligibility, settled, outElsewhere }: ServerDocument): string {
  if (eligibility !== 'ok') return eligibility;
  const [other] = outElsewhere;
  if (other !== undefined) return `${other.eligibility} on ${other.gateway}`;
  return settled ? 'ok' : 'not confirmed by all';
}

/** Undefined: it is not in the upstream. @throws not_found */
async function find(target: InstanceTarget): Promise<ServerDocument | undefined> {
  const { upstreams } = await target.control.status();
  const found = upstreams.find(({ name }) => name === target.upstream);
  if (found !== undefined) return found.servers.find(({ id }) => id === target.server);
  const known = upstreams.map(({ name }) => name).join(', ');
  throw new SluiceError('not_found', `upstream "${target.upstream}": unknown; known: ${known}`);
}

async function giveBack({ control, upstream, server, owner }: InstanceTarget): Promise<void> {
  const request = { state: 'ready', owner, reason: '', ifOwner: owner } as const;
  await control.setAdmin(upstream, server, request);
}

type Until = (what: string | (() => string), isTrue: () => Promise<boolean>) => Promise<void>;

/** Looks again and again until the time of the target is over. */
function waiting(target: InstanceTarget): Until {
  const deadlineMs = performance.now() + target.timeoutMs;
  return async (what, isTrue) => {
    while (!(await isTrue())) {
      if (performance.now() >= deadlineMs) {
        throw late(target, typeof what === 'string' ? what : what());
      }
      await delay(LOOK_EVERY_MS);
    }
  };
}

function late({ server, upstream, timeoutMs }: InstanceTarget, what: string): SluiceError {
  return new SluiceError(
    'timeout',
    `${server} of ${upstream}: ${what} after ${formatDuration(timeoutMs)}`,
  );
}
