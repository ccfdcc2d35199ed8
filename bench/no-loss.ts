// Claim: rolling releases and killed servers lose no idempotent request. 20 releases, then 20 times
// `kill -9` of one of two instances (brought back by `sluice deploy`), under mixed load: keep-alive and
// fresh connections, slow answers, uploads by PUT with hashed bodies, chunked ones too.
//
//   node bench/no-loss.ts [--releases 20] [--kills 20] [--rate 150]

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { describe, type Load, type Summary, startLoad } from '../demo/load.ts';
import { appConfig, Cleanup, endApps, pidOfApp, Stack, temporaryFolder } from '../demo/stack.ts';
import { freePorts } from '../test/support/base/ports.ts';

import { table } from './lab.ts';

export type NoLossOptions = {
  readonly releases: number;
  readonly kills: number;
  readonly rate: number;
};

const DEFAULTS: NoLossOptions = { releases: 20, kills: 20, rate: 150 };

export async function run(options: NoLossOptions = DEFAULTS): Promise<string> {
  const cleanup = new Cleanup();
  try {
    const instances = await freePorts(2);
    const stack = await Stack.start({
      cleanup,
      folder: await temporaryFolder('no-loss', cleanup),
      config: (ports) => appConfig({ ports, instances }),
    });
    cleanup.add(() => endApps(instances));
    for (const port of instances) {
      await stack.put(`upstreams/app/127.0.0.1:${port}`, '{"weight":1}');
    }
    await deploy(stack, 'v1');
    await stack.eligible('app', instances.length);

    const released = await underLoad(stack, options.rate, async () => {
      for (let count = 1; count <= options.releases; count += 1) {
        await deploy(stack, `v${count + 1}`);
      }
    });
    const version = `v${options.releases + 1}`;
    const killed = await underLoad(stack, options.rate, async () => {
      for (let count = 0; count < options.kills; count += 1) {
        const pid = await pidOfApp(instances[count % instances.length] ?? 0);
        if (pid === undefined) throw new Error('no-loss: the instance to kill does not run');
        process.kill(pid, 'SIGKILL');
        await sleep(500);
        await deploy(stack, version);
        await stack.eligible('app', instances.length);
      }
    });
    return report(options, released, killed);
  } finally {
    await cleanup.run();
  }
}

async function deploy(stack: Stack, version: string): Promise<void> {
  const { code, text } = await stack.cli(['deploy', 'app', '--version', version]);
  if (code !== 0) throw new Error(`deploy ${version} ended with ${code}:\n${text}`);
}

async function underLoad(stack: Stack, rate: number, act: () => Promise<void>): Promise<Summary> {
  const load: Load = startLoad({
    host: '127.0.0.1',
    port: stack.ports.gateway,
    rate,
    idempotent: true,
    // No mirrored bodies: an answer that has begun cannot be given again by another server.
    shares: { get: 45, get_fresh: 15, slow: 10, post: 18, chunked: 12 },
  });
  try {
    await act();
  } finally {
    await load.stop();
  }
  return load.summary();
}

function report(options: NoLossOptions, released: Summary, killed: Summary): string {
  const row = (title: string, summary: Summary): string[] => [
    title,
    String(summary.requests),
    String(summary.failed),
    summary.latency.p50.toFixed(1),
    summary.latency.p99.toFixed(0),
    summary.latency.max.toFixed(0),
    summary.longestGapMs.toFixed(0),
  ];
  const failures = [released, killed]
    .filter(({ failed }) => failed > 0)
    .map((summary) => `\`\`\`\n${describe(summary)}\n\`\`\``);
  return [
    `Two instances of the demo app, ${options.rate} requests/s open loop, idempotent traffic ` +
      '(GET and PUT, 10 % slow answers of 100–400 ms), every body verified, nothing retried by the client.',
    table([
      ['', 'requests', 'failed', 'p50 ms', 'p99 ms', 'max ms', 'longest gap ms'],
      row(`${options.releases} rolling releases`, released),
      row(`${options.kills} × kill -9 and recovery`, killed),
    ]),
    ...failures,
  ].join('\n\n');
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      releases: { type: 'string', default: String(DEFAULTS.releases) },
      kills: { type: 'string', default: String(DEFAULTS.kills) },
      rate: { type: 'string', default: String(DEFAULTS.rate) },
    },
  });
  const { releases, kills, rate } = values;
  console.log(await run({ releases: Number(releases), kills: Number(kills), rate: Number(rate) }));
}
