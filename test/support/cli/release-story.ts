// Events and a result of a release that a test tells: two instances, the first of which fails.

import type { ReleaseEvent, ReleaseReceipt, ReleaseResult } from '../../../src/release.ts';
import { NO_ANSWERS, NO_LASTING } from '../admin/documents.ts';
import { ALONE } from '../base/scopes.ts';

export const A = '127.0.0.1:9001';
export const B = '127.0.0.1:9002';

/** An event of release r42 of `app`, at 12:04:09 and so many ms. */
export function event(body: object, ms = 0): ReleaseEvent {
  const ts = new Date(Date.UTC(2026, 10, 23, 12, 4, 9) + ms).toISOString();
  // Tests give whole bodies; spelling out the union again would only repeat it.
  return { v: 1, ts, service: 'app', release: 'r42', ...body } as ReleaseEvent;
}

export function step(
  instance: string,
  name: string,
  phase: string,
  data: object = {},
  revert = false,
): ReleaseEvent {
  return event({ type: 'step', instance, step: name, phase, ms: 5, revert, data });
}

export function settled(instance: string, outcome: string, text = ''): ReleaseEvent {
  return event({ type: 'instance', instance, outcome, ms: 19_000, text });
}

export const RECEIPT: ReleaseReceipt = {
  ...{ id: 'x', complete: true, missing: '', requests: 9120, answered: 9118 },
  ...{ retried: 0, cut: 1, lost: 2, clientGone: 0, stillInFlight: 0, longestGapMs: 120 },
  tunnels: NO_LASTING,
  streams: NO_LASTING,
  answers: NO_ANSWERS,
  workersLost: 0,
  servers: [],
  gateways: [],
  scope: ALONE,
};

export const FAILED: ReleaseResult = {
  ...{ release: 'r42', service: 'app', kind: 'deploy', version: 'v2', outcome: 'failed', exit: 1 },
  code: 'release_failed',
  reason: 'check failed: process exited with code 1',
  evidence: ['last probe: connect ECONNREFUSED', 'app log: ```no config'],
  instances: [
    {
      ...{ instance: A, version: 'v1', stranger: '', inPool: true, pool: 'in pool' },
      ...{ outcome: 'reverted', note: 'v2 failed', answers: null },
    },
    {
      ...{ instance: B, version: 'v1', stranger: '', inPool: true, pool: 'in pool' },
      ...{ outcome: 'untouched', note: '', answers: null },
    },
  ],
  receipt: RECEIPT,
  doubts: [],
  next: ['read the log', 'fix it and deploy again'],
  scope: ALONE,
  ms: 3200,
};

export const SUCCEEDED: ReleaseResult = {
  ...FAILED,
  ...{ outcome: 'succeeded', exit: 0, code: '', reason: '', evidence: [], next: [] },
  receipt: { ...RECEIPT, answered: 9120, cut: 0, lost: 0 },
};
