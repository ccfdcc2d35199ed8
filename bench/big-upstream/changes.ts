// What one change of one server costs the primary and the worker, by the number of servers, through the
// registry and through the control API, and what both cost while nothing happens.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { http, Stack } from '../../demo/stack.ts';
import { basicConfig, table } from '../lab.ts';
import { cpuMicros } from '../registry/cpu.ts';
import type { Place } from './servers.ts';

export type ChangeOptions = {
  readonly sizes: readonly number[];
  readonly changes: number;
  /** Kinds whose title holds this. */
  readonly only: string;
};

/** Records written at once while the upstream is filled. */
const WRITERS = 16;
/** From one change to the next, so that none is put together with another, ms. */
const PAUSE_MS = 20;
const IDLE_SECONDS = 5;
/** Changes and their undoing before the first that counts. */
const WARM_UP = 20;

/** One server's change there, and what takes it back. */
type Kind = {
  readonly title: string;
  change(stack: Stack, server: string, at: number): Promise<void>;
  undo(stack: Stack, server: string): Promise<void>;
};

const KINDS: readonly Kind[] = [
  {
    title: 'weight, PUT of the record',
    change: (stack, server, at) => stack.put(keyOf(server), `{"weight":${2 + (at % 50)}}`),
    undo: (stack, server) => stack.put(keyOf(server), '{"weight":1}'),
  },
  {
    title: 'down and back, PUT',
    change: (stack, server) => stack.put(keyOf(server), '{"weight":1,"down":1}'),
    undo: (stack, server) => stack.put(keyOf(server), '{"weight":1}'),
  },
  {
    title: 'leaves and joins, DELETE and PUT',
    change: (stack, server) => send('DELETE', stack.ports.registry, `/v1/kv/${keyOf(server)}`),
    undo: (stack, server) => stack.put(keyOf(server), '{"weight":1}'),
  },
  {
    title: 'weight, control API',
    change: (stack, server, at) => ask(stack, server, 'weight', { weight: 2 + (at % 50) }),
    undo: (stack, server) => ask(stack, server, 'weight', { weight: 1 }),
  },
  {
    title: 'drain and undrain, control API',
    change: (stack, server) => ask(stack, server, 'admin', { state: 'drain', owner: 'user:bench' }),
    undo: (stack, server) => ask(stack, server, 'admin', { state: 'ready', owner: 'user:bench' }),
  },
  {
    title: 'drain, deregister; register: control API',
    change: async (stack, server) => {
      const owner = 'instance:bench';
      await ask(stack, server, 'admin', { state: 'drain', owner });
      await ask(stack, server, 'deregister', { owner });
    },
    undo: (stack, server) =>
      ask(stack, server, 'register', { owner: 'instance:bench', down: false }),
  },
];

type Costs = { readonly primary: number; readonly worker: number };

export async function changesTable(
  servers: (count: number) => readonly string[],
  place: Place,
  options: ChangeOptions,
): Promise<string> {
  const kinds = KINDS.filter(({ title }) => title.includes(options.only));
  const idle = 'nothing, % of a core';
  const rows = new Map([idle, ...kinds.map(({ title }) => title)].map((title) => [title, [title]]));
  for (const size of options.sizes) {
    const listed = servers(size);
    const stack = await startWith(listed, { ...place, folder: join(place.folder, `of-${size}`) });
    const pids = { primary: stack.pid, worker: (await stack.status()).workers[0]?.pid ?? 0 };
    await sleep(3000);
    const still = await used(pids, () => sleep(IDLE_SECONDS * 1000));
    const share = (seconds: number): string => ((seconds / IDLE_SECONDS) * 100).toFixed(1);
    rows.get(idle)?.push(`${share(still.primary)} + ${share(still.worker)}`);
    for (const kind of kinds) {
      const { primary, worker } = await costOf(stack, pids, { kind, listed, still, ...options });
      rows.get(kind.title)?.push(`${primary.toFixed(2)} + ${worker.toFixed(2)}`);
      console.error(`  ${size}, ${rows.get(kind.title)?.[0]}: ${rows.get(kind.title)?.at(-1)}`);
    }
    console.error(`  ${size}: ${rows.get(idle)?.join(', ')}`);
    await stack.stop();
  }
  return table([['change', ...options.sizes.map((size) => `${size} servers`)], ...rows.values()]);
}

async function startWith(servers: readonly string[], place: Place): Promise<Stack> {
  const stack = await Stack.start({
    ...place,
    config: (ports) => `
${basicConfig(ports)}upstreams:
  app: {}
`,
  });
  let next = 0;
  const write = async (): Promise<void> => {
    for (let at = next++; at < servers.length; at = next++) {
      await stack.put(keyOf(servers[at] ?? ''), '{"weight":1}');
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  await stack.eligible('app', servers.length);
  return stack;
}

/** CPU-ms of one change, half of them forth and half back, without what is used anyway. */
async function costOf(
  stack: Stack,
  pids: Costs,
  how: {
    readonly kind: Kind;
    readonly listed: readonly string[];
    readonly changes: number;
    readonly still: Costs;
  },
): Promise<Costs> {
  const { kind, listed, changes, still } = how;
  const make = async (times: number): Promise<void> => {
    for (let at = 0; at < times; at += 1) {
      const server = listed[Math.floor((at * listed.length) / times)] ?? '';
      await kind.change(stack, server, at);
      await sleep(PAUSE_MS);
      await kind.undo(stack, server);
      await sleep(PAUSE_MS);
    }
  };
  await make(WARM_UP);
  await sleep(500);
  const startedMs = performance.now();
  const whole = await used(pids, () => make(changes / 2));
  const tookS = (performance.now() - startedMs) / 1000;
  const cost = (all: number, idle: number): number =>
    ((all - (idle / IDLE_SECONDS) * tookS) * 1000) / changes;
  return { primary: cost(whole.primary, still.primary), worker: cost(whole.worker, still.worker) };
}

/** Processor seconds while it runs. */
async function used(pids: Costs, task: () => Promise<unknown>): Promise<Costs> {
  const now = (): Costs => ({
    primary: cpuMicros(pids.primary) / 1e6,
    worker: cpuMicros(pids.worker) / 1e6,
  });
  const before = now();
  await task();
  const after = now();
  return { primary: after.primary - before.primary, worker: after.worker - before.worker };
}

function keyOf(server: string): string {
  return `upstreams/app/${server}`;
}

function ask(stack: Stack, server: string, verb: string, body: object): Promise<void> {
  const path = `/api/upstreams/app/servers/${server}/${verb}`;
  return send('POST', stack.ports.admin, path, JSON.stringify(body));
}

async function send(method: string, port: number, path: string, body = ''): Promise<void> {
  const { status, text } = await http(method, port, path, body);
  if (status !== 200) throw new Error(`${method} ${path}: ${status} ${text.trim()}`);
}
