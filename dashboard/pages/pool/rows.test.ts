import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolServer } from '../../../src/admin/contract.ts';
import { nextSorting, parseSorting, shownServers } from './rows.ts';

const UP: PoolServer = {
  addresses: [],
  ...{ weight: 1, maxFails: 1, failTimeoutMs: 10_000, maxConns: 0, backup: false },
  ...{ source: 'registry', registry: 'default', alsoIn: [] },
  admin: { state: 'ready', owner: '', reason: '', sinceMs: 0 },
  ...{ checks: 'up', mustPass: true, checkReason: '200 in 2ms', checkType: 'http', checkPort: 0 },
  ...{ riseCount: 2, fallCount: 0, eligibility: 'ok', outElsewhere: [], settled: true },
  ...{ givenBack: false, inFlight: 0, tunnels: 0, streams: 0, requests: 0, failures: 0 },
  ...{ failedInARow: 0, lastFailure: '', lastFailureMs: 0, ejectedUntilMs: 0, ramp: 1 },
  ...{ oldestRequest: '', oldestSinceMs: 0 },
  ...{ restarts: 0, lastExit: '', lastExitMs: 0, resting: '', version: 'v1' },
  lastSecond: { requests: 10, failures: 0, errors: 0 },
};
const SERVERS = {
  'web-10:80': { ...UP, lastSecond: { requests: 30, failures: 0, errors: 0, p99Ms: 4 } },
  'web-2:80': {
    ...UP,
    version: 'v2',
    admin: { state: 'drain', owner: 'user:alice', reason: 'Kernel update', sinceMs: 5 },
    eligibility: 'drain',
  },
  'web-1:80': { ...UP, lastSecond: { requests: 20, failures: 1, errors: 0, p99Ms: 90 } },
} as const;

function shown(sort = '', filter = '', onlyProblems = false): string {
  const sorting = parseSorting(sort);
  const servers = shownServers(SERVERS, { filter, onlyProblems, sorting });
  return servers.map(([id]) => id.slice(0, -3)).join(' ');
}

test('servers stand in the order of their names, as people count', () => {
  assert.equal(shown(), 'web-1 web-2 web-10');
  assert.equal(shown('-server'), 'web-10 web-2 web-1');
});

test('any column is sorted by, and what is not known of a server counts as least', () => {
  assert.equal(shown('-requests'), 'web-10 web-1 web-2');
  assert.equal(shown('-p99'), 'web-1 web-10 web-2');
  assert.equal(shown('p99'), 'web-2 web-10 web-1');
  assert.equal(shown('-since'), 'web-2 web-1 web-10');
  assert.equal(shown('-nonsense'), shown());
});

test('each word of the filter is found somewhere in the row', () => {
  assert.equal(shown('', 'ALICE kernel'), 'web-2');
  assert.equal(shown('', 'v1 web-1'), 'web-1 web-10');
  assert.equal(shown('', 'alice v1'), '');
});

test('a problem is a server that takes no requests, or whose requests failed', () => {
  assert.equal(shown('', '', true), 'web-1 web-2');
});

test('a click on a head sorts by it, most first for numbers, and another one turns it around', () => {
  assert.equal(nextSorting(parseSorting(''), 'p99'), '-p99');
  assert.equal(nextSorting(parseSorting('-p99'), 'p99'), 'p99');
  assert.equal(nextSorting(parseSorting('-p99'), 'state'), 'state');
  assert.equal(nextSorting(parseSorting('-p99'), 'server'), '');
  assert.equal(nextSorting(parseSorting(''), 'server'), '-server');
});
