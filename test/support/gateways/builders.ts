// Builders for tests of what gateways tell each other: gateways on a registry in memory.

import type { TestContext } from 'node:test';
import { Gateways, type GatewaysOptions } from '../../../src/gateways.ts';
import type { Admin } from '../../../src/model.ts';
import { recordingLog } from '../base/recording-log.ts';
import { type MemoryRegistry, type MemoryStore, settled } from './memory-registry.ts';

export const DRAIN: Admin = { state: 'drain', owner: 'user:ann', reason: '', sinceMs: 1 };
export const MAINT: Admin = { state: 'maint', owner: 'user:bob', reason: 'disk', sinceMs: 2 };

export type TestGateway = {
  readonly id: string;
  readonly store: MemoryStore;
  readonly gateways: Gateways;
  readonly lines: ReturnType<typeof recordingLog>['lines'];
  /** What is in force. */
  readonly admins: () => ReadonlyMap<string, Admin>;
  /** Requests that it has counted. */
  counted: number;
  /** Of its receipts: opened, and those that were so from the start. */
  readonly opened: { readonly id: string; readonly isNew: boolean }[];
  readonly forgotten: string[];
  /** Servers that take no requests there, all idle. */
  readonly out: Set<string>;
};

/** A gateway that serves `app`, has joined, and knows the others. */
export async function startGateway(
  t: Pick<TestContext, 'after'>,
  registry: MemoryRegistry,
  id: string,
  options: Partial<GatewaysOptions> = {},
): Promise<TestGateway> {
  const gateway = openGateway(t, registry, id, options);
  await gateway.gateways.first(1000);
  await gateway.gateways.join(1000);
  await settled();
  return gateway;
}

export function openGateway(
  t: Pick<TestContext, 'after'>,
  registry: MemoryRegistry,
  id: string,
  options: Partial<GatewaysOptions> = {},
): TestGateway {
  const store = registry.client();
  const { log, lines } = recordingLog();
  let admins: ReadonlyMap<string, Admin> = new Map();
  const isOpen = new Set<string>();
  const gateway: TestGateway = {
    ...{ id, store, lines, counted: 0, opened: [], forgotten: [], out: new Set() },
    admins: () => admins,
    gateways: new Gateways({
      ...{ store, prefix: 'sluice/', id, leaseMs: 10_000, forgetMs: 3_600_000, log },
      describe: () => ({
        ...{ name: id.toUpperCase(), version: '1', control: '127.0.0.1:1', startedAtMs: 1 },
        upstreams: ['app'],
      }),
      view: (upstream) => ({
        token: gateway.gateways.intents.token(upstream),
        capacity: 2,
        out: new Map(
          [...gateway.out].map((server) => [
            server,
            {
              eligibility: 'drain',
              inFlight: 0,
              tunnels: 0,
              streams: 0,
              idle: true,
              index: 0,
            } as const,
          ]),
        ),
      }),
      applied: () => ({ index: 1, generation: 1 }),
      receipts: {
        count: async (receipt, upstream, isNew) => {
          if (!isOpen.has(receipt)) gateway.opened.push({ id: receipt, isNew });
          isOpen.add(receipt);
          return { id: receipt, upstream, requests: gateway.counted };
        },
        forget: (receipt) => {
          isOpen.delete(receipt);
          gateway.forgotten.push(receipt);
        },
      },
      onIntents: (_, __, next) => {
        admins = next;
        gateway.gateways?.note();
      },
      beside: async () => [],
      onPending: () => {},
      ...options,
    }),
  };
  t.after(() => gateway.gateways.close());
  return gateway;
}

/** Says a word about a server of `app` as an operator does. */
export function say({ gateways }: TestGateway, server: string, admin: Admin): Promise<void> {
  return gateways.intents.change(
    'app',
    () => ({ server, admin }),
    async () => [],
  );
}
