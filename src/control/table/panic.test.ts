// When the checks are not believed: by the share of those that the operator has in.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordingLog } from '../../../test/support/base/recording-log.ts';
import { parseConfig } from '../../config.ts';
import { type Admin, type Checks, READY, standingOf } from '../../model.ts';
import { UpstreamSet } from '../../upstream.ts';
import { Table } from '../table.ts';

const IDS = [1, 2, 3, 4].map((digit) => `127.0.0.1:900${digit}`);
const BEGINS = 'warn panic: too few servers pass their checks, those that fail take requests';
const ENDS = 'info panic is over: enough servers pass their checks';

function scene({ threshold = '50%', backups = [] as readonly number[] } = {}) {
  const { log, lines } = recordingLog();
  const upstreams = new UpstreamSet();
  const table: Table = new Table({
    ...{ log, generation: 0, memberships: new Map(), overrides: [] },
    verdicts: [],
    addresses: () => [],
    onChange: (changes) => upstreams.apply(table.update(changes), 0),
    onMembers: () => {},
    onMember: () => {},
  });
  const servers = IDS.map(
    (id, at) => `{ address: "${id}", backup: ${backups.includes(at) ? 'on' : 'off'} }`,
  );
  const yaml = (share: string): string =>
    `upstreams: { app: { check: { type: tcp }, panic_threshold: ${share}, servers: [${servers}] } }`;
  const set = (share: string): void => {
    const changes = table.setUpstreams(parseConfig(yaml(share), '/tmp/s.yaml').upstreams);
    upstreams.apply(table.update(changes), 0);
  };
  set(threshold);
  const flush = (): void => table.setOverride('app', 'nobody', READY);
  return {
    set,
    verdicts: (...all: readonly Checks[]) => {
      for (const [at, checks] of all.entries()) {
        table.setVerdict({
          ...{ upstream: 'app', server: IDS[at] ?? '', checks, riseCount: 1, fallCount: 1 },
          ...{ reason: '', atMs: 1, changed: true },
        });
      }
      flush();
    },
    admin: (at: number, state: Admin['state']) =>
      table.setOverride('app', IDS[at] ?? '', { ...READY, state, owner: 'user:alice', sinceMs: 1 }),
    /** What the primary has, which is what the workers have. */
    words: (): string => {
      const states = [...(table.upstream('app')?.members.values() ?? [])].map(({ state }) => state);
      const live = upstreams.get('app')?.servers.map(({ state }) => state);
      assert.deepEqual(live, states);
      return states.map(standingOf).join(' ');
    },
    said: (): string[] =>
      lines
        .splice(0)
        .filter(({ message }) => message.startsWith('panic'))
        .map(({ level, message }) => `${level} ${message}`),
  };
}

test('it begins below the threshold and ends at it, and each is said once', () => {
  const it = scene();
  it.verdicts('up', 'up', 'down', 'down');
  assert.equal(it.words(), 'ok ok down down');
  assert.deepEqual(it.said(), []);
  it.verdicts('up', 'down', 'down', 'down');
  assert.equal(it.words(), 'ok panic panic panic');
  it.verdicts('down');
  assert.equal(it.words(), 'panic panic panic panic');
  assert.deepEqual(it.said(), [BEGINS]);
  it.verdicts('up', 'up');
  assert.equal(it.words(), 'ok ok down down');
  assert.deepEqual(it.said(), [ENDS]);
});

test('without a threshold a verdict is a verdict', () => {
  const it = scene({ threshold: '0%' });
  it.verdicts('down', 'down', 'down', 'down');
  assert.equal(it.words(), 'down down down down');
});

test('whom an operator has out does not count, and is not brought in', () => {
  const it = scene();
  it.verdicts('up', 'up', 'down', 'down');
  it.admin(0, 'drain');
  assert.equal(it.words(), 'drain ok panic panic', '1 of 3');
  it.admin(2, 'maint');
  assert.equal(it.words(), 'drain ok maint down', '1 of 2');
  it.admin(1, 'drain');
  assert.equal(it.words(), 'drain drain maint panic');
  it.admin(3, 'maint');
  assert.equal(it.words(), 'drain drain maint maint');
});

test('a newcomer without a verdict neither counts nor takes requests', () => {
  const it = scene();
  assert.equal(it.words(), 'unchecked unchecked unchecked unchecked');
  it.verdicts('down', 'up');
  assert.equal(it.words(), 'down ok unchecked unchecked');
  it.verdicts('down', 'down');
  assert.equal(it.words(), 'panic panic unchecked unchecked');
});

test('while the backups are well, primaries that fail are not asked', () => {
  const it = scene({ backups: [2, 3] });
  it.verdicts('down', 'down', 'up', 'down');
  assert.equal(it.words(), 'down down ok down');
  it.verdicts('down', 'down', 'down', 'down');
  assert.equal(it.words(), 'panic panic panic panic');
});

test('the last one that recovers ends it for itself', () => {
  const it = scene();
  for (const at of [1, 2, 3]) it.admin(at, 'maint');
  it.verdicts('down');
  assert.equal(it.words(), 'panic maint maint maint');
  it.verdicts('up');
  assert.equal(it.words(), 'ok maint maint maint');
});

test('another threshold counts at once', () => {
  const it = scene();
  it.verdicts('up', 'down', 'down', 'down');
  it.set('25%');
  assert.equal(it.words(), 'ok down down down');
  it.set('26%');
  assert.equal(it.words(), 'ok panic panic panic');
});

test('through random verdicts and words it is what a new count makes of them', () => {
  let seed = 7;
  const dice = (bound: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % bound;
  };
  const it = scene({ backups: [3] });
  const checks: Checks[] = ['down', 'down', 'down', 'down'];
  const admins: Admin['state'][] = ['ready', 'ready', 'ready', 'ready'];
  it.verdicts(...checks);
  for (let step = 0; step < 500; step += 1) {
    const at = dice(4);
    if (dice(3) === 0) {
      admins[at] = dice(2) === 0 ? 'ready' : 'drain';
      it.admin(at, admins[at]);
    } else {
      checks[at] = dice(2) === 0 ? 'up' : 'down';
      it.verdicts(...checks);
    }
    const share = (places: readonly number[]): boolean => {
      const judged = places.filter((place) => admins[place] === 'ready');
      const passing = judged.filter((place) => checks[place] === 'up');
      return judged.length === 0 || passing.length < judged.length * 0.5;
    };
    const isPanic = admins.includes('ready') && share([0, 1, 2]) && share([3]);
    const expected = admins.map((admin, place) =>
      admin !== 'ready' ? admin : checks[place] === 'up' ? 'ok' : isPanic ? 'panic' : 'down',
    );
    assert.equal(it.words(), expected.join(' '), `step ${step}`);
  }
});
