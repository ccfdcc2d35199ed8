// `npm run demo`: the whole scenario in about 45 seconds, with real processes and real sockets, in a
// temporary folder and on free ports. Exit code 0 only if no request was lost beyond non-idempotent
// ones that were inside the killed process or on their way to it.
//
//   --consul   a real Consul instead of the embedded registry (a `consul` on the PATH or in .peers/)
//   --keep     leave it running at the end, until Ctrl-C
//   --fast     watch less long; for tests

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ReceiptDocument } from '../src/admin.ts';
import { messageOf } from '../src/base/errors.ts';
import { onHabitualSignals } from '../src/base/signals.ts';
import { freePorts } from '../test/support/base/ports.ts';
import { startConsul } from '../test/support/peers/programs.ts';
import type { Summary } from './load.ts';
import * as acts from './show/acts.ts';
import { verdict } from './show/receipt.ts';
import { act, bad, command, fact, line, title } from './show/screen.ts';
import { appConfig, Cleanup, http, output, Stack, temporaryFolder } from './stack.ts';

type Options = { readonly consul: boolean; readonly keep: boolean; readonly fast: boolean };

async function main(options: Options, cleanup: Cleanup): Promise<boolean> {
  // First: without a consul there is nothing to announce.
  const consulPort = options.consul ? await consul(cleanup) : undefined;
  title(
    'Sluice: change servers without a reload, release without losing a request',
    'Everything below is real: processes, sockets, files. It cleans up after itself.',
  );
  const folder = await temporaryFolder('demo', cleanup);
  const instances = await freePorts(2);

  act('Start the gateway', 'One process tree: registry, health checks, control API, gateway.');
  const stack = await Stack.start({
    cleanup,
    folder,
    config: (ports) => appConfig({ ports, instances, isConsul: options.consul }),
    ...(consulPort === undefined ? {} : { consulPort }),
  });
  cleanup.add(() => endInstances(folder));
  cleanup.add(() => stack.endCommands());
  command(`sluice -c ${stack.configFile} serve`);
  // In a checkout its files are made when it is opened first: before somebody waits for that.
  await http('GET', stack.ports.admin, '/ui/');
  urls(stack, options.consul ? 'a real Consul' : 'embedded');

  const stage = { stack, instances, watchMs: options.fast ? 700 : 4000 };
  await acts.register(stage);
  await acts.firstDeploy(stage);
  const opened = await openReceipt(stack);
  const traffic = await acts.load(stage);
  cleanup.add(() => traffic.stop());
  await acts.downAndUp(stage, traffic);
  await acts.killAndRecover(stage, traffic);
  await acts.brokenRelease(stage, traffic);
  await acts.release(stage, traffic);

  const second = await Stack.start({
    cleanup,
    folder: join(folder, 'second'),
    config: (ports) => appConfig({ ports, instances, isConsul: true }),
    consulPort: stack.ports.registry,
  });
  const more = await acts.secondGateway(stage, second);
  cleanup.add(() => more.stop());

  act('The receipt', 'What both gateways counted since the load began, beside what clients saw.');
  const [first, other] = await Promise.all([traffic.stop(), more.stop()]);
  const receipt = await readReceipt(stack, opened.id);
  const failures = [...traffic.failures(), ...more.failures()];
  const isGood = verdict(receipt, sumOf(first, other), failures, traffic.kills);
  if (options.keep) await keep(stack, instances);
  return isGood;
}

/** What all clients saw; the latency is that of the first gateway, which had most of them. */
function sumOf(first: Summary, second: Summary): Summary {
  return {
    ...first,
    requests: first.requests + second.requests,
    ok: first.ok + second.ok,
    failed: first.failed + second.failed,
    connections: first.connections + second.connections,
    longestGapMs: Math.max(first.longestGapMs, second.longestGapMs),
  };
}

/** The port of a `consul agent -dev`. */
async function consul(cleanup: Cleanup): Promise<number> {
  let missing = '';
  const running = await startConsul({
    after: (step: () => unknown) => cleanup.add(step),
    skip: (reason?: string) => {
      missing = reason ?? '';
    },
  });
  const address = running?.addresses[0];
  if (address === undefined) throw new Error(`${missing}, or leave out --consul`);
  return address.port;
}

function urls(stack: Stack, registry: string): void {
  const { gateway, admin } = stack.ports;
  line(`dashboard http://127.0.0.1:${admin}/ui/   <- open it and watch`);
  line(`gateway   http://127.0.0.1:${gateway}/`);
  line(`registry  http://127.0.0.1:${stack.ports.registry}/v1/kv/  (${registry})`);
  line(`control   http://127.0.0.1:${admin}/upstream_status`);
}

async function openReceipt(stack: Stack): Promise<ReceiptDocument> {
  const { text } = await http('POST', stack.ports.admin, '/api/upstreams/app/receipts');
  return JSON.parse(text) as ReceiptDocument; // Our own control API, of the same version.
}

async function readReceipt(stack: Stack, id: string): Promise<ReceiptDocument> {
  const { text } = await http('GET', stack.ports.admin, `/api/receipts/${id}`);
  return JSON.parse(text) as ReceiptDocument; // As above.
}

async function keep(stack: Stack, instances: readonly number[]): Promise<void> {
  act('It stays up', 'Try it yourself; Ctrl-C ends everything.');
  urls(stack, 'KV');
  command(`curl http://127.0.0.1:${stack.ports.gateway}/`);
  command(`npm run sluice -- -c ${stack.configFile} status`);
  command(`npm run sluice -- -c ${stack.configFile} deploy app --version v3`);
  fact(`instances: ${instances.map((port) => `http://127.0.0.1:${port}/`).join(' ')}`);
  await new Promise(() => setInterval(() => {}, 60_000));
}

/**
 * Ends the instances that `sluice deploy` started: they are nobody's children, so they are found by
 * the records of their pids, and looked at before they are ended.
 */
async function endInstances(folder: string): Promise<void> {
  const records = join(folder, 'state/run/app');
  for (const name of await readdir(records).catch((): string[] => [])) {
    if (!name.endsWith('.json')) continue;
    const text = await readFile(join(records, name), 'utf8');
    const pid = Number(/"pid": (\d+)/.exec(text)?.[1]);
    const port = name.slice(0, -'.json'.length).split(':').at(-1) ?? '';
    const argv = await output('ps', ['-o', 'args=', '-p', String(pid)]).catch(() => ''); // Gone.
    if (argv.includes('demo/app.ts') && argv.includes(`-p ${port}`)) process.kill(pid, 'SIGKILL');
  }
}

const USAGE = `usage: npm run demo -- [--consul] [--keep] [--fast]
  --consul   a real Consul instead of the embedded registry
  --keep     leave it running at the end, until Ctrl-C
  --fast     watch less long`;

function readOptions(): Options {
  const flag = { type: 'boolean', default: false } as const;
  try {
    const help = { ...flag, short: 'h' } as const;
    const options = { consul: flag, keep: flag, fast: flag, help };
    const { values } = parseArgs({ options });
    if (!values.help) return values;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    // Node's sentence goes on with advice on its own options.
    const [problem] = messageOf(error).split('. ');
    console.error(`demo: ${problem}\n${USAGE}`);
    process.exit(2);
  }
}

const values = readOptions();
const cleanup = new Cleanup();
let code: number | undefined;
let isBroken = false;

/** Whatever ends the demo early, nothing stays behind. */
function breakOff(why: string, exitCode: number): void {
  if (isBroken) return;
  isBroken = true;
  code ??= exitCode;
  console.error(`\n${why}: cleaning up`);
  void cleanup.run().then(() => process.exit(code));
}
onHabitualSignals(() => {});
process.on('SIGINT', () => breakOff('interrupted', 130));
process.on('SIGTERM', () => breakOff('terminated', 143));
process.on('SIGHUP', () => breakOff('the terminal went away', 129));
process.stdout.on('error', () => breakOff('the reader of the output went away', 141));
process.on('uncaughtException', (error) => breakOff(String(error.stack), 1));

try {
  const isGood = await main(values, cleanup);
  code ??= isGood ? 0 : 1;
} catch (error) {
  // What an interrupt breaks off is no news.
  if (code === undefined) bad(messageOf(error));
  code ??= 1;
}
await cleanup.run();
process.exit(code);
