// A control that does nothing and is content with everything.

import type { Control, DrainDocument, ReceiptDocument } from '../../../src/admin.ts';
import { ALONE } from '../base/scopes.ts';
import { NO_ANSWERS, NO_TUNNELS, server, status, upstream } from './documents.ts';

const DRAIN: DrainDocument = {
  ...{ server: 'a:1', admin: { state: 'drain', owner: 'user:alice', reason: '', sinceMs: 1 } },
  ...{ generation: 4, acknowledged: true, inFlight: 0, tunnels: 0, idle: true },
  ...{ eligibility: 'drain', scope: ALONE },
};

const RECEIPT: ReceiptDocument = {
  ...{ id: 'r1', upstream: 'app', openedAtMs: 1, requests: 0, answered: 0, retried: 0, cut: 0 },
  ...{
    lost: 0,
    clientGone: 0,
    stillInFlight: 0,
    longestGapMs: 0,
    workersLost: 0,
    servers: [],
    gateways: [],
  },
  ...{ answers: NO_ANSWERS, tunnels: NO_TUNNELS, complete: true, scope: ALONE },
};

export function controlStub(changes: Partial<Control> = {}): Control {
  return {
    status: async () => status([upstream('app', [server('a:1')])]),
    setAdmin: async () => DRAIN,
    awaitIdle: async () => DRAIN,
    setWeight: async () => {},
    register: async () => {},
    deregister: async () => {},
    openReceipt: async () => RECEIPT,
    readReceipt: async () => RECEIPT,
    metrics: async () => '',
    ...changes,
  };
}
