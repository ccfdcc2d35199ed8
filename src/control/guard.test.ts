// Who counts when a server is to be taken out: by the table, by what the workers report, by both.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverState } from '../../test/support/upstream/builders.ts';
import { isSluiceError } from '../base/errors.ts';
import {
  createServerCounters,
  createUpstreamCounters,
  type Eligibility,
  READY,
  type ServerState,
} from '../model.ts';
import { WorkerFigures } from '../workers.ts';
import { checkGuard } from './guard.ts';
import type { CapacityElsewhere } from './others.ts';
import { memberEligibility } from './reported.ts';
import type { Member } from './table.ts';

/** a is taken out, b and c are the others. */
type Scene = {
  readonly b?: Partial<ServerState>;
  readonly c?: Partial<ServerState>;
  /** Of each worker, what it reported. */
  readonly workers?: readonly Readonly<Record<string, Eligibility>>[];
  readonly elsewhere?: readonly Partial<CapacityElsewhere>[];
};

/** Another gateway that can use all three. */
const WEB_2: CapacityElsewhere = {
  gateway: 'pid 7 on web-2',
  isKnown: true,
  counts: () => true,
  capacity: 3,
};

function member(id: string, state: Partial<ServerState> = {}): Member {
  const full = serverState({ id, checks: 'up', mustPass: true, ...state });
  const place = { source: 'config', registry: '', alsoIn: [] } as const;
  return { state: full, ...place, admin: READY, adminGeneration: 1 };
}

function report(views: Readonly<Record<string, Eligibility>>, upstream = 'app'): WorkerFigures {
  const figures = new WorkerFigures();
  const servers = Object.entries(views).map(([id, eligibility]) => ({
    ...{ id, eligibility, gone: false, inFlight: 0, fails: 0, counters: createServerCounters() },
    findings: { failedInARow: 0, lastFailure: '', lastFailureMs: 0, ejectedUntilMs: 0, ramp: 1 },
  }));
  figures.upstreams.set(upstream, {
    counters: createUpstreamCounters(),
    servers: new Map(servers.map((server) => [server.id, server])),
  });
  return figures;
}

/** '' = allowed. */
function refusal(
  keepEligible: number,
  { b = {}, c = {}, workers = [], elsewhere = [] }: Scene = {},
): string {
  try {
    checkGuard({
      upstream: 'app',
      server: 'a',
      keepEligible,
      members: [member('a'), member('b', b), member('c', c)],
      figures: workers.map((views) => report(views)),
      elsewhere: elsewhere.map((other) => ({ ...WEB_2, ...other })),
    });
    return '';
  } catch (error) {
    assert.ok(isSluiceError(error) && error.code === 'guard_refused');
    return error.message;
  }
}

test('the guard counts the others, and not the one that is taken out', () => {
  assert.equal(refusal(2), '');
  assert.match(refusal(3), /without a 2 eligible would stay, 3 needed/);
  assert.equal(refusal(1, { b: { admin: 'maint' } }), '');
  assert.equal(refusal(0, { b: { admin: 'maint' }, c: { checks: 'down' } }), '');
});

test('whoever takes no requests is no capacity, and is named with its reason', () => {
  const out: readonly (readonly [Eligibility, Partial<ServerState>])[] = [
    ['maint', { admin: 'maint' }],
    ['drain', { admin: 'drain' }],
    ['unresolved', { addresses: [] }],
    ['down', { checks: 'down' }],
    ['unchecked', { checks: 'unknown' }],
  ];
  for (const [reason, b] of out) {
    assert.equal(refusal(1, { b }), '', 'c is there');
    assert.match(
      refusal(2, { b }),
      new RegExp(`1 eligible would stay, 2 needed \\(b ${reason}\\)`),
    );
  }
});

test('a newcomer that has not passed its checks is no capacity, whatever workers say of it', () => {
  const b = { checks: 'unknown', mustPass: true } as const;
  assert.match(refusal(2, { b }), /b unchecked/);
  assert.match(refusal(2, { b, workers: [{ b: 'ok' }, { b: 'ok' }] }), /b unchecked/);
  assert.equal(refusal(2, { b: { ...b, checks: 'up' } }), '', 'it passed');
  assert.equal(refusal(2, { b: { ...b, mustPass: false } }), '', 'it need not pass');
});

test('one worker that ejected a server is enough; a full server counts', () => {
  assert.match(refusal(2, { workers: [{ b: 'ok' }, { b: 'ejected' }] }), /b ejected/);
  assert.equal(refusal(2, { workers: [{ b: 'full' }, { b: 'ok' }] }), '');
  assert.match(refusal(2, { workers: [{ b: 'full' }, { b: 'ejected' }] }), /b ejected/);
});

test('what the table says now is newer than what a worker reported', () => {
  const old = { workers: [{ b: 'down' }, { b: 'unchecked' }] } as const;
  assert.equal(refusal(2, old), '');
  assert.match(refusal(2, { b: { admin: 'drain' }, workers: [{ b: 'ejected' }] }), /b drain/);
});

test('what a worker reported of another upstream is of no account', () => {
  const other = [report({ b: 'ejected' }, 'other')];
  assert.equal(memberEligibility('app', member('b'), other), 'ok');
  assert.equal(memberEligibility('other', member('b'), other), 'ejected');
  assert.equal(memberEligibility('other', member('b'), [report({ b: 'full' }, 'other')]), 'full');
});

test('of very many others five are named', () => {
  const ids = ['1', '2', '3', '4', '5', '6', '7'];
  const ask = (count: number) => (): void =>
    checkGuard({
      ...{ upstream: 'app', server: 'a', keepEligible: 1, figures: [], elsewhere: [] },
      members: ids.slice(0, count).map((id) => member(id, { admin: 'maint' })),
    });
  assert.throws(ask(5), /4 maint, 5 maint\)/);
  assert.throws(ask(7), /\(1 maint, 2 maint, 3 maint, 4 maint, 5 maint, 2 more\)/);
  const alone = (): void =>
    checkGuard({
      ...{ upstream: 'app', server: 'a', keepEligible: 1, figures: [], elsewhere: [] },
      members: [member('a')],
    });
  assert.throws(alone, /\(there is no other server\)/);
});

test('a server counts where every gateway can use it', () => {
  const up = { checks: 'up' } as const;
  assert.equal(refusal(2, { b: up, c: up, elsewhere: [{}, {}] }), '');
  assert.match(
    refusal(2, { b: up, c: up, elsewhere: [{}, { counts: (id) => id !== 'c', capacity: 2 }] }),
    /without a 1 eligible would stay, 2 needed \(c out on pid 7 on web-2\)/,
  );
  assert.equal(refusal(1, { elsewhere: [{ counts: (id) => id !== 'c', capacity: 2 }] }), '');
  // What is out there already does not count twice.
  assert.equal(refusal(2, { elsewhere: [{ counts: (id) => id !== 'a', capacity: 2 }] }), '');
});

test('a gateway that has fewer servers than we allows no more than those', () => {
  assert.match(refusal(2, { elsewhere: [{ capacity: 2 }] }), /without a 1 eligible would stay/);
  assert.equal(refusal(1, { elsewhere: [{ capacity: 2 }] }), '');
});

test('a gateway that has not said what it sees makes the guard refuse, by name', () => {
  assert.match(
    refusal(0, { elsewhere: [{ isKnown: false }] }),
    /pid 7 on web-2 did not say which servers can be used there/,
  );
});
