// One run: gateways, load, people or releases, and troubles; then quiet, and the verdict.

import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../../../demo/load.ts';
import { residentBytes } from '../../../demo/stack/processes.ts';
import { endApps } from '../../../demo/stack.ts';
import type { ReceiptDocument } from '../../../src/admin.ts';
import { seededRandom } from '../base/random.ts';
import { type Cluster, calm, type RegistryKind, startCluster, until } from './cluster.ts';
import { person, pipeline, type Told } from './people.ts';
import { makeTrouble } from './troubles.ts';
import { leftBehind, lies, receiptTrouble, unexplained } from './verdict.ts';

export type RumbleOptions = {
  readonly registry: RegistryKind;
  readonly seed: number;
  readonly seconds: number;
  readonly gateways: number;
  readonly rate: number;
  readonly troubles: readonly string[];
  readonly lastingMs: readonly [number, number];
  readonly isReleased: boolean;
  readonly say: (line: string) => void;
};

export type RumbleReport = { readonly lines: readonly string[]; readonly found: readonly string[] };

/** Lines of a log that all gateways may write in a minute, however much goes wrong. */
const LOG_LINES_PER_SECOND_MAX = 12;
/** Errors that are rightly logged: of garbage, of workers that were killed, and before the first release. */
const EXPECTED = /cannot be read|worker ended|no eligible server/;

export async function rumble(options: RumbleOptions): Promise<RumbleReport> {
  const { registry, seed, gateways, rate, isReleased } = options;
  const cluster = await startCluster({
    registry,
    seed,
    gateways,
    rate,
    isReleased,
    servers: isReleased ? 3 : 4,
  });
  try {
    return await run(cluster, options);
  } finally {
    await cluster.cleanup.run();
  }
}

async function run(cluster: Cluster, options: RumbleOptions): Promise<RumbleReport> {
  const { seed, seconds, rate, troubles, lastingMs, isReleased, say } = options;
  const startMs = monotonicMs();
  const mayLose = ['lose', 'garbage', 'older'].some((name) => troubles.includes(name));
  const tell = (line: string): void =>
    say(`${((monotonicMs() - startMs) / 1000).toFixed(1)}s ${line}`);
  const found: string[] = [];
  const lines: string[] = [];
  const [first] = cluster.gateways;
  if (first === undefined) throw new Error('no gateways');
  const ports = cluster.servers.map((server) => Number(server.split(':')[1]));
  if (isReleased) {
    cluster.cleanup.add(() => endApps(ports));
    const { code, text } = await first.cli(['deploy', 'app', '--version', 'v0']);
    if (code !== 0) throw new Error(`first deploy: ${text}`);
  }
  await calm(cluster, cluster.servers.length);
  const receipt = await first.openReceipt();
  for (const gateway of cluster.gateways) gateway.load(rate, seed * 100 + gateway.at + 1);
  const over = new AbortController();
  const told: Told = { claims: [], absences: [], trouble: [] };
  const random = (at: number): (() => number) => seededRandom(seed * 1000 + at);
  const base = { cluster, told, over: over.signal };
  const [, one = '', two = '', three = ''] = cluster.servers;
  const actors = isReleased
    ? [releases(cluster, random(1), over.signal, tell, lines)]
    : [
        person({ ...base, random: random(1), server: one, keep: 3 }),
        person({ ...base, random: random(2), server: two, keep: 3 }),
        pipeline({ ...base, random: random(3), server: three, keep: undefined }),
      ];
  const trouble = makeTrouble(
    { cluster, random: random(9), lastingMs, say: tell },
    troubles,
    over.signal,
  );
  await Promise.race([delay(seconds * 1000), Promise.all(actors)]);
  over.abort();
  await trouble;
  await Promise.all(actors);
  tell('quiet');
  for (const { link } of cluster.gateways) link?.mend();
  for (const agent of cluster.agents) agent.thaw();
  await calm(cluster, isReleased ? 0 : cluster.servers.length).catch((error: unknown) =>
    found.push(`not calm: ${String(error)}`),
  );
  if (isReleased) {
    const { code, text } = await first.cli(['deploy', 'app', '--version', 'vlast']);
    if (code !== 0) found.push(`the last deploy ended with ${code}: ${text}`);
    await calm(cluster, cluster.servers.length).catch((error: unknown) =>
      found.push(`not calm: ${String(error)}`),
    );
  }
  for (const gateway of cluster.gateways) {
    const summary = await gateway.endLoad();
    lines.push(
      `gateway ${gateway.at}: ${summary?.requests} sent, ${summary?.ok} ok, ${summary?.failed} failed, gap ${summary?.longestGapMs.toFixed(0)} ms, ${(residentBytes(gateway.pid) / 1e6).toFixed(0)} MB, troubles ${gateway.troubles.map(({ what }) => what).join()}`,
    );
  }
  const read = await first.receipt(receipt.id);
  lines.push(...linesOf(read));
  lines.push(
    `claims ${told.claims.length} (${told.claims.filter(({ drain }) => drain.scope.unheard.length === 0).length} of all gateways), guarded absences ${told.absences.length}`,
  );
  found.push(...told.trouble, ...lies(cluster, told), ...unexplained(cluster).slice(0, 20));
  found.push(...receiptTrouble(cluster, read, mayLose));
  found.push(...(await leftBehind(cluster, false)).map((key) => `left behind: ${key}`));
  for (const gateway of cluster.gateways) {
    const log = await gateway.log();
    const logLines = log.split('\n');
    const perSecond = logLines.length / ((monotonicMs() - startMs) / 1000);
    lines.push(`gateway ${gateway.at}: ${logLines.length} lines of log`);
    if (perSecond > LOG_LINES_PER_SECOND_MAX)
      found.push(`gateway ${gateway.at}: ${perSecond.toFixed(1)} lines of log a second`);
    const bad = logLines.filter(
      (line) => /"level":(60|50)|^\S*Error|^\s+at /.test(line) && !EXPECTED.test(line),
    );
    if (bad.length > 0) found.push(`gateway ${gateway.at} logged: ${bad.slice(0, 3).join('\n')}`);
  }
  // The host of an embedded registry leaves last.
  for (const gateway of cluster.gateways.slice(1)) await gateway.end('SIGTERM');
  await until('nothing is left behind', 25_000, async () => {
    const keys = (await leftBehind(cluster, false)).concat(
      (await cluster.store.list('sluice/shared/alive/')).entries.map(({ key }) => key).slice(1),
    );
    return keys.join();
  }).catch((error: unknown) => found.push(String(error)));
  if (cluster.options.registry !== 'embedded') {
    await first.end('SIGTERM');
    found.push(...(await leftBehind(cluster, true)).map((key) => `left behind at the end: ${key}`));
  }
  return { lines, found };
}

function linesOf(receipt: ReceiptDocument): string[] {
  return receipt.gateways.map(
    (part) =>
      `receipt: ${part.name}: ${part.requests} requests, ${part.answered} answered, ${part.retried} retried, ${part.cut} cut, ${part.lost} lost, ${part.clientGone} client gone, ${part.stillInFlight} still in flight${part.missing === '' ? '' : `, INCOMPLETE: ${part.missing}`}`,
  );
}

/** Deploys through changing gateways; now and then two at once, of which one must be refused. */
async function releases(
  cluster: Cluster,
  random: () => number,
  over: AbortSignal,
  tell: (line: string) => void,
  lines: string[],
): Promise<void> {
  for (let version = 1; !over.aborted; version += 1) {
    const at = Math.floor(random() * cluster.gateways.length);
    const gateway = cluster.gateways[at];
    const other = cluster.gateways[(at + 1) % cluster.gateways.length];
    const both = random() < 0.3 && other !== undefined ? [gateway, other] : [gateway];
    const startMs = monotonicMs();
    const results = await Promise.all(
      both.map(async (one, which) => {
        const name = `v${version}${which === 0 ? '' : 'b'}`;
        const result = await one?.cli(['deploy', 'app', '--version', name]);
        return { ...result, name, ms: monotonicMs() - startMs };
      }),
    );
    for (const { code, text = '', name, ms } of results) {
      const isTold = (line: string): boolean =>
        code !== 0 || /receipt|SUCCEEDED|INCOMPLETE|error|conflict|locked/i.test(line);
      const told = text.split('\n').filter(isTold).join(' | ');
      const line = `deploy ${name} via gateway ${at}: ${code} after ${(ms / 1000).toFixed(1)}s`;
      tell(`${line} ${told.slice(0, code === 0 ? 300 : 3000)}`);
      lines.push(`${line} ${told.slice(0, 200)}`);
    }
  }
}
