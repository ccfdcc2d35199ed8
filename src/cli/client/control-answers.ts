// Shapes of the control API's answers, checked before they are believed. Each parser answers
// undefined for what is not such a document; further fields are let through for newer daemons.

import type { DrainDocument, ReceiptDocument, StatusDocument } from '../../admin.ts';

type Kind = 'text' | 'number' | 'flag' | Shape | readonly [Kind];
type Shape = { readonly [key: string]: Kind };

const ADMIN: Shape = { state: 'text', owner: 'text', reason: 'text', sinceMs: 'number' };

const SCOPE: Shape = { gateway: 'text', sharedRegistry: 'text' };

const TUNNELS: Shape = { opened: 'number', ended: 'number', cut: 'number', open: 'number' };

const DRAIN: Shape = {
  server: 'text',
  admin: ADMIN,
  generation: 'number',
  acknowledged: 'flag',
  inFlight: 'number',
  tunnels: 'number',
  idle: 'flag',
  eligibility: 'text',
  scope: SCOPE,
};

const RECEIPT: Shape = {
  id: 'text',
  upstream: 'text',
  openedAtMs: 'number',
  requests: 'number',
  answered: 'number',
  retried: 'number',
  cut: 'number',
  lost: 'number',
  clientGone: 'number',
  stillInFlight: 'number',
  tunnels: TUNNELS,
  longestGapMs: 'number',
  servers: [
    {
      id: 'text',
      attempts: 'number',
      answered: 'number',
      retried: 'number',
      cut: 'number',
      lost: 'number',
      clientGone: 'number',
      tunnels: TUNNELS,
    },
  ],
  scope: SCOPE,
};

const STATUS: Shape = {
  version: 'text',
  generation: 'number',
  startedAtMs: 'number',
  scope: SCOPE,
  workers: [
    {
      id: 'number',
      pid: 'number',
      generation: 'number',
      connections: 'number',
      silentMs: 'number',
    },
  ],
  registry: {
    kind: 'text',
    address: 'text',
    reachable: 'flag',
    index: 'number',
    lastContactMs: 'number',
    trouble: 'text',
  },
  upstreams: [
    {
      name: 'text',
      balance: 'text',
      eligible: 'number',
      problems: ['text'],
      servers: [
        {
          id: 'text',
          addresses: ['text'],
          weight: 'number',
          maxFails: 'number',
          failTimeoutMs: 'number',
          maxConns: 'number',
          backup: 'flag',
          source: 'text',
          admin: ADMIN,
          checks: 'text',
          mustPass: 'flag',
          checkReason: 'text',
          checkType: 'text',
          checkPort: 'number',
          riseCount: 'number',
          fallCount: 'number',
          eligibility: 'text',
          inFlight: 'number',
          requests: 'number',
          failures: 'number',
          failedInARow: 'number',
          lastFailure: 'text',
          lastFailureMs: 'number',
          ejectedUntilMs: 'number',
        },
      ],
    },
  ],
};

// The casts below follow a check of every field; closed sets of words stay open on purpose, so
// that an older client can still show what a newer daemon says.

export function parseStatus(value: unknown): StatusDocument | undefined {
  return fits(value, STATUS) ? (value as StatusDocument) : undefined;
}

export function parseDrain(value: unknown): DrainDocument | undefined {
  return fits(value, DRAIN) ? (value as DrainDocument) : undefined;
}

export function parseReceipt(value: unknown): ReceiptDocument | undefined {
  return fits(value, RECEIPT) ? (value as ReceiptDocument) : undefined;
}

function fits(value: unknown, kind: Kind): boolean {
  if (kind === 'text') return typeof value === 'string';
  if (kind === 'number') return typeof value === 'number';
  if (kind === 'flag') return typeof value === 'boolean';
  if (isList(kind)) return Array.isArray(value) && value.every((item) => fits(item, kind[0]));
  if (typeof value !== 'object' || value === null) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  return Object.entries(kind).every(([key, field]) => fits(fields.get(key), field));
}

function isList(kind: Shape | readonly [Kind]): kind is readonly [Kind] {
  return Array.isArray(kind);
}
