// Claims about a release of two instances under mixed load:
// - of the ways to do it, only a drain that is waited for loses nothing: restart only; out of the pool
//   and stop at once; out of the pool, sleep, stop (nginx with a reload, then Sluice by hand); and
//   `sluice deploy`;
// - what `sluice deploy` adds to the time that the instances need to stop and to start.
//
// The instances end at once on TERM, with what is in flight, as most servers do by default.
//
//   node bench/release.ts [--releases 3] [--rate 100] [--starts 5,15]

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Summary, startLoad } from '../demo/load.ts';
import {
  appConfig,
  type Child,
  Cleanup,
  endApps,
  listening,
  Stack,
  type StackOptions,
  start,
  startApp,
  temporaryFolder,
} from '../demo/stack.ts';
import { freePorts } from '../test/support/base/ports.ts';
import { nginxConfig } from '../test/support/peers/nginx.ts';
import { findPeer } from '../test/support/peers/programs.ts';
import { published } from './lab/published.ts';
import { median, table } from './lab.ts';

export type ReleaseBenchOptions = {
  /** Of each way. */
  readonly releases: number;
  /** Requests per second. */
  readonly rate: number;
  /** Seconds that the instances of the second table need to start. */
  readonly starts: readonly number[];
};

const DEFAULTS: ReleaseBenchOptions = { releases: 3, rate: 100, starts: [5, 15] };
const NO_GRACE = { EXIT_ON_TERM: 'on' };
/** Between two releases, so that what one lost is not mistaken for the next one's. */
const PAUSE_MS = 500;

export async function run(options: ReleaseBenchOptions = DEFAULTS): Promise<string> {
  const { releases, rate, starts } = options;
  const rows: string[][] = [];
  if (findPeer('nginx') === undefined) throw new Error('release: nginx is needed; see .ci/run');
  for (const way of WAYS) rows.push(await underNginx(way, options));
  for (const way of WAYS) rows.push(await byHand(way, options));
  const costs: string[][] = [];
  const built = new Cleanup();
  try {
    const project = await published(built);
    rows.push(await byDeploy(options, project));
    for (const seconds of starts) costs.push(await cost(seconds, project));
  } finally {
    await built.run();
  }
  return [
    `Two instances of the demo app that end at once on TERM; ${releases} releases each way, ${rate} requests/s open loop, mixed ` +
      '(35 % POST and the like, 11 % slow answers of 100–400 ms), nothing retried by the client. nginx: defaults, keep-alive to the servers.',
    table([['', 'requests', 'failed', 'failed %', 's per release'], ...rows]),
    'What `sluice deploy` adds: its whole time, with its own start, beside that of the same two instances stopped and started ' +
      'one after the other by hand; no load; the program as it is published, not from its sources. `rise: 2` at 250 ms, so a check takes at least 250 ms.',
    table([['instance starts in', 'by hand, s', 'deploy, s', 'more, %'], ...costs]),
  ].join('\n\n');
}

/** One way to replace the instances by hand. */
type Way = { readonly name: string; readonly isOut: boolean; readonly waitMs: number };

const WAYS: readonly Way[] = [
  { name: 'restart only', isOut: false, waitMs: 0 },
  { name: 'out of the pool, stop', isOut: true, waitMs: 0 },
  { name: 'out of the pool, sleep 1 s, stop', isOut: true, waitMs: 1000 },
];

/** What has the two instances behind it. */
type Pool = {
  readonly port: number;
  /** Takes an instance out, or back in; resolves when the command that does it has ended. */
  set(instance: number, isOut: boolean): Promise<void>;
};

async function underNginx(way: Way, options: ReleaseBenchOptions): Promise<string[]> {
  const cleanup = new Cleanup();
  try {
    const [port = 0, ...instances] = await freePorts(3);
    const folder = await temporaryFolder('release-nginx', cleanup);
    const file = join(folder, 'nginx.conf');
    const out = new Set<number>();
    const write = (): Promise<void> => writeFile(file, frontConfig(folder, port, instances, out));
    await write();
    const argv = ['-p', folder, '-c', file];
    const nginx = start(findPeer('nginx') ?? 'nginx', argv);
    cleanup.add(() => nginx.stop());
    await listening(port, nginx);
    const set: Pool['set'] = async (instance, isOut) => {
      if (isOut) out.add(instance);
      else out.delete(instance);
      await write();
      process.kill(nginx.pid, 'SIGHUP'); // What `nginx -s reload` does before it ends.
    };
    return await release(`nginx: ${way.name}`, way, { port, set }, instances, options, cleanup);
  } finally {
    await cleanup.run();
  }
}

function frontConfig(
  folder: string,
  port: number,
  instances: readonly number[],
  out: ReadonlySet<number>,
): string {
  const servers = instances.map(
    (instance) => `server 127.0.0.1:${instance}${out.has(instance) ? ' down' : ''};`,
  );
  const http = `access_log off; upstream app { ${servers.join(' ')} keepalive 32; }
server { listen 127.0.0.1:${port}; location / { proxy_pass http://app; proxy_http_version 1.1;
proxy_set_header Connection ""; } }`;
  const main = 'error_log stderr emerg;';
  return nginxConfig({ folder, name: 'front', main, connections: 1024, http });
}

async function byHand(way: Way, options: ReleaseBenchOptions): Promise<string[]> {
  const cleanup = new Cleanup();
  try {
    const instances = await freePorts(2);
    const stack = await stackOf(instances, cleanup);
    const set: Pool['set'] = (instance, isOut) =>
      stack.put(`upstreams/app/127.0.0.1:${instance}`, `{"weight":1,"down":${isOut ? 1 : 0}}`);
    for (const instance of instances) await set(instance, false);
    const pool = { port: stack.ports.gateway, set };
    return await release(`Sluice: ${way.name}`, way, pool, instances, options, cleanup, () =>
      stack.eligible('app', instances.length),
    );
  } finally {
    await cleanup.run();
  }
}

/** The releases of one way, under load: a row of the table. Nobody waits for a check, as in such pipelines. */
async function release(
  title: string,
  way: Way,
  pool: Pool,
  instances: readonly number[],
  { releases, rate }: ReleaseBenchOptions,
  cleanup: Cleanup,
  isReady: () => Promise<void> = async () => {},
): Promise<string[]> {
  const running = new Map<number, Child>();
  for (const port of instances) running.set(port, await startApp(port, cleanup, NO_GRACE));
  await isReady();
  const seconds: number[] = [];
  const seen = await underLoad(pool.port, rate, async () => {
    for (let at = 0; at < releases; at += 1) {
      const startMs = performance.now();
      for (const port of instances) {
        if (way.isOut) await pool.set(port, true);
        await sleep(way.waitMs);
        await running.get(port)?.stop();
        running.set(port, await startApp(port, cleanup, NO_GRACE));
        if (way.isOut) await pool.set(port, false);
      }
      seconds.push((performance.now() - startMs) / 1000);
      await sleep(PAUSE_MS);
    }
  });
  return row(title, seen, seconds);
}

async function byDeploy(
  { releases, rate }: ReleaseBenchOptions,
  project: string,
): Promise<string[]> {
  const cleanup = new Cleanup();
  try {
    const instances = await freePorts(2);
    const stack = await deployed(instances, NO_GRACE, project, cleanup);
    const seconds: number[] = [];
    const seen = await underLoad(stack.ports.gateway, rate, async () => {
      for (let at = 0; at < releases; at += 1) {
        seconds.push(await deploy(stack, `v${at + 2}`));
        await sleep(PAUSE_MS);
      }
    });
    return row('`sluice deploy`', seen, seconds);
  } finally {
    await cleanup.run();
  }
}

async function cost(startSeconds: number, project: string): Promise<string[]> {
  const cleanup = new Cleanup();
  try {
    const instances = await freePorts(2);
    const env = { LATE_MS: String(startSeconds * 1000) };
    const children = await Promise.all(
      instances.map((port) => startApp(port, cleanup, env, startSeconds * 2000 + 10_000)),
    );
    const startMs = performance.now();
    for (const [at, port] of instances.entries()) {
      await children[at]?.stop();
      const child = await startApp(port, cleanup, env, startSeconds * 2000 + 10_000);
      children[at] = child;
    }
    const handSeconds = (performance.now() - startMs) / 1000;
    for (const child of children) await child.stop();
    const stack = await deployed(instances, env, project, cleanup);
    const seconds = await deploy(stack, 'v2');
    const more = (100 * (seconds - handSeconds)) / handSeconds;
    return [`${startSeconds} s`, handSeconds.toFixed(1), seconds.toFixed(1), more.toFixed(0)];
  } finally {
    await cleanup.run();
  }
}

async function stackOf(
  instances: readonly number[],
  cleanup: Cleanup,
  env: Readonly<Record<string, string>> = {},
  more: Pick<StackOptions, 'project'> = {},
): Promise<Stack> {
  const words = Object.entries(env).map(([name, value]) => `, ${name}: "${value}"`);
  return Stack.start({
    ...{ cleanup, ...more },
    folder: await temporaryFolder('release', cleanup),
    config: (ports) =>
      appConfig({ ports, instances })
        .replace('"{version}" }', `"{version}"${words.join('')} }`)
        .replace('deadline: 20s', 'deadline: 60s'),
  });
}

/** The instances registered and at v1, by `sluice deploy`. */
async function deployed(
  instances: readonly number[],
  env: Readonly<Record<string, string>>,
  project: string,
  cleanup: Cleanup,
): Promise<Stack> {
  const stack = await stackOf(instances, cleanup, env, { project });
  cleanup.add(() => endApps(instances));
  for (const port of instances) await stack.put(`upstreams/app/127.0.0.1:${port}`, '{"weight":1}');
  await deploy(stack, 'v1');
  await stack.eligible('app', instances.length);
  return stack;
}

/** The seconds that it took. */
async function deploy(stack: Stack, version: string): Promise<number> {
  const startMs = performance.now();
  const { code, text } = await stack.cli(['deploy', 'app', '--version', version]);
  if (code !== 0) throw new Error(`deploy ${version} ended with ${code}:\n${text}`);
  return (performance.now() - startMs) / 1000;
}

async function underLoad(port: number, rate: number, act: () => Promise<void>): Promise<Summary> {
  const load = startLoad({ host: '127.0.0.1', port, rate });
  try {
    await act();
  } finally {
    await load.stop();
  }
  return load.summary();
}

function row(title: string, { requests, failed }: Summary, seconds: readonly number[]): string[] {
  const share = ((100 * failed) / requests).toFixed(1);
  return [title, String(requests), String(failed), share, median(seconds).toFixed(1)];
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      releases: { type: 'string', default: String(DEFAULTS.releases) },
      rate: { type: 'string', default: String(DEFAULTS.rate) },
      starts: { type: 'string', default: DEFAULTS.starts.join() },
    },
  });
  console.log(
    await run({
      releases: Number(values.releases),
      rate: Number(values.rate),
      starts: values.starts.split(',').map(Number),
    }),
  );
}
