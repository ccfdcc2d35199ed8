// What can happen to gateways, their workers, the network, the registry's agents and its records, at random
// moments of a seeded source. Each trouble ends by itself, and says how long clients of a gateway may feel it.

import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../../../demo/load.ts';
import type { KvEntry } from '../../../src/registry.ts';
import { signal } from '../base/signal.ts';
import { type Cluster, type ClusterGateway, until } from './cluster.ts';

/** After a trouble is over, what it caused may still come in for so long, ms. */
const AFTER_MS = 500;

export type TroubleContext = {
  readonly cluster: Cluster;
  readonly random: () => number;
  /** How long, between the two, ms. */
  readonly lastingMs: readonly [number, number];
  readonly say: (line: string) => void;
};

type Act = (context: TroubleContext, gateway: ClusterGateway, ms: number) => Promise<void>;

/** `kill` and the like need the receipt's own gateway to live: they are not done to the first. */
export const TROUBLES: Readonly<Record<string, { readonly act: Act; readonly spares: boolean }>> = {
  kill: { act: kill, spares: true },
  leave: { act: leave, spares: true },
  freeze: { act: freeze, spares: false },
  'kill-worker': { act: killWorker, spares: false },
  'freeze-worker': { act: freezeWorker, spares: false },
  cut: { act: (context, gateway, ms) => onLink(context, gateway, ms, 'cut'), spares: false },
  hold: { act: (context, gateway, ms) => onLink(context, gateway, ms, 'hold'), spares: false },
  slow: { act: (context, gateway, ms) => onLink(context, gateway, ms, 'slow'), spares: false },
  half: { act: (context, gateway, ms) => onLink(context, gateway, ms, 'half'), spares: false },
  agent: { act: agent, spares: false },
  lose: { act: lose, spares: false },
  garbage: { act: garbage, spares: false },
  older: { act: older, spares: false },
};

async function kill(
  { cluster }: TroubleContext,
  gateway: ClusterGateway,
  ms: number,
): Promise<void> {
  if (!gateway.isUp) return;
  const trouble = gateway.trouble('kill');
  await gateway.end('SIGKILL');
  await delay(ms);
  await gateway.start(cluster.cleanup);
  trouble.toMs = monotonicMs() + AFTER_MS;
}

async function leave(
  { cluster }: TroubleContext,
  gateway: ClusterGateway,
  ms: number,
): Promise<void> {
  if (!gateway.isUp) return;
  const trouble = gateway.trouble('leave');
  await gateway.end('SIGTERM');
  await delay(ms);
  await gateway.start(cluster.cleanup);
  trouble.toMs = monotonicMs() + AFTER_MS;
}

async function freeze(_: TroubleContext, gateway: ClusterGateway, ms: number): Promise<void> {
  const { pid } = gateway;
  signal(pid, 'SIGSTOP');
  await delay(ms);
  signal(pid, 'SIGCONT');
}

async function killWorker({ random }: TroubleContext, gateway: ClusterGateway): Promise<void> {
  const workers = gateway.workers();
  const pid = workers[Math.floor(random() * workers.length)];
  if (pid === undefined) return;
  const trouble = gateway.trouble('kill-worker');
  signal(pid, 'SIGKILL');
  trouble.toMs = monotonicMs() + AFTER_MS;
}

async function freezeWorker(
  { random }: TroubleContext,
  gateway: ClusterGateway,
  ms: number,
): Promise<void> {
  const workers = gateway.workers();
  const pid = workers[Math.floor(random() * workers.length)];
  if (pid === undefined) return;
  signal(pid, 'SIGSTOP');
  await delay(Math.min(ms, 2000));
  signal(pid, 'SIGCONT');
}

async function onLink(
  _: TroubleContext,
  { link }: ClusterGateway,
  ms: number,
  how: 'cut' | 'hold' | 'slow' | 'half',
): Promise<void> {
  if (link === undefined) return;
  if (how === 'cut') link.cut();
  else if (how === 'hold') link.hold();
  else if (how === 'slow') link.slow(Math.min(300, ms));
  else link.halfClose();
  await delay(ms);
  link.mend();
}

async function agent(
  { cluster, random }: TroubleContext,
  _: ClusterGateway,
  ms: number,
): Promise<void> {
  const { agents } = cluster;
  const one = agents[Math.floor(random() * agents.length)];
  one?.freeze();
  await delay(ms);
  one?.thaw();
}

/** Records of the gateways are gone: all, or those of one kind. */
async function lose({ cluster, random, say }: TroubleContext): Promise<void> {
  const kinds = [
    '',
    'shared/',
    'shared/intents/',
    'shared/gateways/',
    'shared/alive/',
    'shared/receipts/',
    'seen/',
  ];
  const kind = kinds[Math.floor(random() * kinds.length)] ?? '';
  say(`  lost: sluice/${kind}`);
  await cluster.store.delete(`sluice/${kind}`, { recurse: true });
}

/** One record is not what it was: the same for every kind sooner or later. */
async function garbage({ cluster, random, say }: TroubleContext): Promise<void> {
  const { entries } = await cluster.store.list('sluice/');
  const entry = entries[Math.floor(random() * entries.length)];
  if (entry === undefined) return;
  const texts = ['', 'null', '{', '{"token":1}', '[]', '{"token":"x","servers":{"a":1}}'];
  const text = texts[Math.floor(random() * texts.length)] ?? '';
  say(`  garbage: ${entry.key} = ${text}`);
  await cluster.store.put(entry.key, text);
}

/** What everybody shares is as it was a while ago. */
async function older({ cluster }: TroubleContext, _: ClusterGateway, ms: number): Promise<void> {
  const { entries } = await cluster.store.list('sluice/shared/');
  const kept = entries.filter(({ key }) => !key.includes('/alive/'));
  await delay(ms);
  await cluster.store.delete('sluice/shared/intents/', { recurse: true });
  await Promise.all(kept.map(({ key, value }: KvEntry) => cluster.store.put(key, value)));
}

/** Troubles one after the other until the signal; resolves when the last is over and all gateways are up. */
export async function makeTrouble(
  context: TroubleContext,
  names: readonly string[],
  over: AbortSignal,
): Promise<void> {
  const { cluster, random, lastingMs, say } = context;
  const between = ([from, to]: readonly [number, number]): number => from + random() * (to - from);
  while (!over.aborted) {
    await delay(between([200, 1200]), undefined, { signal: over }).catch(() => {});
    if (over.aborted) break;
    const name = names[Math.floor(random() * names.length)] ?? '';
    const kind = TROUBLES[name];
    const first = kind?.spares === true ? 1 : 0;
    const at = first + Math.floor(random() * (cluster.gateways.length - first));
    const gateway = cluster.gateways[at];
    if (kind === undefined || gateway === undefined) continue;
    const ms = between(lastingMs);
    say(`${name} on gateway ${at} for ${Math.round(ms)} ms`);
    await kind.act(context, gateway, ms).catch((error: unknown) => say(`  ${String(error)}`));
    say(`  over: ${name} on gateway ${at}`);
  }
  await until('all are up', 30_000, async () =>
    cluster.gateways.every(({ isUp }) => isUp) ? '' : 'not yet',
  );
}
