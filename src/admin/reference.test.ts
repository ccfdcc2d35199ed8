// docs/control-api.md: every route, every field of its documents and every metric is on the page, and
// no route or metric is there that does not exist.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { server, socketMetrics, status, upstream } from '../../test/support/admin/documents.ts';
import { silentLog } from '../base/log.ts';
import type {
  AdminRequest,
  Control,
  DrainDocument,
  ReceiptDocument,
  TunnelCounts,
} from './contract/documents.ts';
import { renderMetrics } from './pages.ts';
import { createApp } from './routes/app.ts';

const PAGE = readFileSync(new URL('../../docs/control-api.md', import.meta.url), 'utf8');
const STATUS = status([upstream('app', [server('127.0.0.1:9001')])]);

function never(): never {
  throw new Error('not asked');
}

const CONTROL: Control = {
  status: never,
  setAdmin: never,
  awaitIdle: never,
  setWeight: never,
  openReceipt: never,
  readReceipt: never,
  metrics: never,
};

test('every route has its heading, and every heading its route', () => {
  const app = createApp({
    control: CONTROL,
    readiness: never,
    host: '127.0.0.1',
    token: '',
    log: silentLog,
  });
  const routes = app.routes.filter(({ method }) => method !== 'ALL');
  const headings = [...PAGE.matchAll(/^### `([A-Z]+ \/\S+)`$/gm)].map(([, text]) => text);
  assert.deepEqual(
    headings.toSorted(),
    routes.map(({ method, path }) => `${method} ${path}`).toSorted(),
  );
});

test('every metric has its row, and every row its metric', async () => {
  const text = await renderMetrics({
    ...{ status: STATUS, workerCrashes: 0, sockets: socketMetrics(), upstreams: [] },
  });
  const names = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
  const rows = [...PAGE.matchAll(/^\| `(sluice_\w+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(rows.toSorted(), names.toSorted());
});

// Every field by name; the types make sure that none is left out.
const DRAIN: Record<keyof DrainDocument, 0> = {
  ...{ server: 0, admin: 0, generation: 0, acknowledged: 0, inFlight: 0, idle: 0, eligibility: 0 },
  scope: 0,
  tunnels: 0,
};
const RECEIPT: Record<keyof ReceiptDocument, 0 | Record<keyof TunnelCounts, 0>> = {
  ...{ id: 0, upstream: 0, openedAtMs: 0, requests: 0, answered: 0, retried: 0, cut: 0, lost: 0 },
  ...{ clientGone: 0, stillInFlight: 0, longestGapMs: 0, servers: 0, scope: 0 },
  tunnels: { opened: 0, ended: 0, cut: 0, open: 0 },
};
const REQUEST: Record<keyof AdminRequest, 0> = {
  ...{ state: 0, owner: 0, reason: 0, keepEligible: 0, ifOwner: 0 },
};

test('every field of a document and of a request is named', () => {
  const fields = [STATUS, DRAIN, RECEIPT, REQUEST].flatMap(fieldsOf);
  const missing = fields.filter((name) => !new RegExp(`\`${name}(\\[\\])?\``).test(PAGE));
  assert.deepEqual(missing, []);
});

function fieldsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(fieldsOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [name, ...fieldsOf(inner)]);
}
