// People and a pipeline who take servers out and bring them back through changing gateways, and what they
// were told: "idle" is a claim about every gateway that was not named as unheard, and is kept to be compared
// with what the servers got.

import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../../../demo/load.ts';
import type { DrainDocument } from '../../../src/admin.ts';
import type { Cluster, ClusterGateway } from './cluster.ts';

/** So long a drain may take while gateways are killed, frozen and cut; a lease takes up to 20 s. */
const DRAIN_MAX_MS = 60_000;

/** Nothing new may reach the server in this time, except from those who were named. */
export type Claim = {
  readonly server: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly drain: DrainDocument;
};

/** A server was out, by a word that wanted so many others to stay. */
export type Absence = {
  readonly server: string;
  readonly keep: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly unheard: readonly string[];
};

export type Told = {
  readonly claims: Claim[];
  readonly absences: Absence[];
  /** What took too long, or failed. */
  readonly trouble: string[];
};

export type PersonOptions = {
  readonly cluster: Cluster;
  readonly random: () => number;
  readonly told: Told;
  readonly server: string;
  /** How many others must stay; undefined: not asked. */
  readonly keep: number | undefined;
  readonly over: AbortSignal;
};

export async function person({
  cluster,
  random,
  told,
  server,
  keep,
  over,
}: PersonOptions): Promise<void> {
  while (!over.aborted) {
    await delay(50 + random() * 300);
    const gateway = any(cluster, random);
    const fromMs = monotonicMs();
    const asked = await gateway
      .setAdmin(server, { state: 'drain', ...(keep === undefined ? {} : { keepEligible: keep }) })
      .catch(() => undefined);
    if (asked === undefined || asked.status !== 200) {
      // Not answered, it may still hold: it is taken back.
      if (asked === undefined) await giveBack(cluster, random, server);
      continue;
    }
    const first = JSON.parse(asked.text) as DrainDocument;
    const outMs = monotonicMs();
    const { claim, drain } = await untilIdle(cluster, random, server, gateway);
    if (claim === undefined) {
      told.trouble.push(
        `drain of ${server} not over after ${Math.round(monotonicMs() - fromMs)} ms: ${JSON.stringify(drain)}`,
      );
    }
    await delay(100 + random() * 700);
    const toMs = monotonicMs();
    if (claim !== undefined) told.claims.push({ server, toMs, ...claim });
    if (keep !== undefined)
      told.absences.push({ server, keep, fromMs: outMs, toMs, unheard: first.scope.unheard });
    await giveBack(cluster, random, server);
  }
}

/** As a pipeline of old does it: a PUT, a wait, a PUT. */
export async function pipeline({
  cluster,
  random,
  told,
  server,
  over,
}: PersonOptions): Promise<void> {
  const put = async (down: 0 | 1): Promise<void> => {
    const record = { weight: 1, max_fails: 2, fail_timeout: 2, down };
    while (
      !(await cluster.store
        .put(`upstreams/app/${server}`, JSON.stringify(record))
        .catch(() => false))
    ) {
      await delay(50);
    }
  };
  while (!over.aborted) {
    await delay(50 + random() * 300);
    await put(1);
    const { claim, drain } = await untilIdle(cluster, random, server, any(cluster, random));
    if (claim === undefined)
      told.trouble.push(`down of ${server} not over: ${JSON.stringify(drain)}`);
    await delay(100 + random() * 500);
    if (claim !== undefined) told.claims.push({ server, toMs: monotonicMs(), ...claim });
    await put(0);
    await delay(random() * 500);
  }
}

async function untilIdle(
  cluster: Cluster,
  random: () => number,
  server: string,
  first: ClusterGateway,
): Promise<{ claim: Omit<Claim, 'server' | 'toMs'> | undefined; drain: DrainDocument | string }> {
  const deadlineMs = monotonicMs() + DRAIN_MAX_MS;
  let gateway = first;
  let last: DrainDocument | string = '';
  while (monotonicMs() < deadlineMs) {
    try {
      last = await gateway.awaitIdle(server, '2s');
      if (last.idle) return { claim: { fromMs: monotonicMs(), drain: last }, drain: last };
    } catch (error) {
      last = String(error);
      await delay(100);
    }
    gateway = any(cluster, random);
  }
  return { claim: undefined, drain: last };
}

async function giveBack(cluster: Cluster, random: () => number, server: string): Promise<void> {
  for (;;) {
    const answer = await any(cluster, random)
      .setAdmin(server, { state: 'ready' })
      .catch(() => undefined);
    if (answer?.status === 200) return;
    await delay(100);
  }
}

function any({ gateways }: Cluster, random: () => number): ClusterGateway {
  const up = gateways.filter(({ isUp }) => isUp);
  const gateway = up[Math.floor(random() * up.length)] ?? gateways[0];
  if (gateway === undefined) throw new Error('no gateways');
  return gateway;
}
