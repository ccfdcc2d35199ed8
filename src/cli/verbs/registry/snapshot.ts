// `sluice registry snapshot save|restore FILE`: the whole registry as a file, of one that runs through
// its API, and of the embedded one also while it is stopped.

import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { messageOf, SluiceError, systemCode } from '../../../base/errors.ts';
import { type Address, formatAddress } from '../../../base/units.ts';
import { consulOf } from '../../client/registry-address.ts';
import { configOf, reachable } from '../../client/target.ts';
import { print } from '../../output.ts';
import { type DataOptions, dataDirOf } from './stopped.ts';

const SILENCE_MS = 60_000;

type Running = { readonly address: Address; readonly token: string };

export function defineSnapshot(verb: Command): void {
  verb.description('Save the whole registry as a file, or restore it from one.').addHelpText(
    'after',
    `
Of the registry that runs at --registry host:port, or that the file names. The
embedded one may also be stopped: then its data folder is read or written, and
restore takes one that is damaged, too. A snapshot of a Consul belongs into a
Consul. Writes go on while it is saved; it holds one moment.

Examples:
  $ sluice registry snapshot save registry.snap
  $ sluice registry snapshot restore registry.snap`,
  );
  const define = (name: string, what: string, run: Verb): void => {
    verb
      .command(name)
      .description(what)
      .argument('<file>')
      .option('--data-dir <folder>', 'of an embedded registry that is stopped')
      .action(async (file: string, _: unknown, command: Command) =>
        run(file, command.optsWithGlobals<DataOptions>()),
      );
  };
  define('save', 'Save the registry into a file.', save);
  define('restore', 'Replace the content of the registry by that of a file.', restore);
}

type Verb = (file: string, options: DataOptions) => Promise<void>;

async function save(file: string, options: DataOptions): Promise<void> {
  const running = await runningOf(options);
  const reply = running === undefined ? undefined : await ask(running, 'GET');
  if (reply !== undefined) {
    await writeWhole(file, reply);
    print(`${file}: saved at index ${String(reply.headers['x-consul-index'] ?? 'unknown')}`);
    return;
  }
  const { silentLog } = await import('../../../base/log.ts');
  const { openStore } = await import('../../../registry.ts');
  const store = openStore({ dataDir: await stoppedDir(options, running), log: silentLog });
  try {
    const { index, stream } = store.save();
    await writeWhole(file, stream);
    print(`${file}: saved at index ${index} (the registry is stopped)`);
  } finally {
    store.close();
  }
}

async function restore(file: string, options: DataOptions): Promise<void> {
  await (await open(file)).close(); // Is it there?
  const running = await runningOf(options);
  const reply = running === undefined ? undefined : await ask(running, 'PUT', file);
  if (reply !== undefined) {
    reply.resume();
    print(`${file}: restored`);
    return;
  }
  const { silentLog } = await import('../../../base/log.ts');
  const { restoreStopped } = await import('../../../registry.ts');
  const dataDir = await stoppedDir(options, running);
  const folder = await restoreStopped({ dataDir, log: silentLog }, createReadStream(file));
  print(`${file}: restored into ${dataDir} (the registry is stopped)`);
  if (folder !== '') print(`the damaged files are in ${folder}`);
}

/** The registry to ask; undefined when the command line names a folder. */
async function runningOf(options: DataOptions): Promise<Running | undefined> {
  if (options.dataDir !== undefined) return undefined;
  const named = options.registry ?? process.env['SLUICE_REGISTRY'] ?? '';
  if (named.includes(':')) {
    const { addresses, token = '' } = consulOf(named, process.env);
    const [address] = addresses;
    if (address !== undefined) return { address, token };
  }
  const { settings } = (await configOf(options)).registry;
  if (settings.kind === 'embedded') {
    return { address: reachable(settings.listen), token: settings.token };
  }
  const [address] = settings.kind === 'consul' ? settings.addresses : [];
  if (settings.kind === 'consul' && address !== undefined)
    return { address, token: settings.token };
  throw new SluiceError('usage', `a registry of kind ${settings.kind} has no snapshots`);
}

/** Where a stopped registry keeps its data; only for one that was not named by its address. */
async function stoppedDir(options: DataOptions, running: Running | undefined): Promise<string> {
  const dataDir = options.registry === undefined ? await dataDirOf(options) : undefined;
  if (dataDir !== undefined) return dataDir;
  const at = running === undefined ? 'the registry' : `registry ${formatAddress(running.address)}`;
  throw new SluiceError('registry_unreachable', `${at}: nobody listens there; is it running?`);
}

/** The answer; undefined when nobody listens. @throws registry_refused, registry_unreachable */
async function ask(
  { address, token }: Running,
  method: 'GET' | 'PUT',
  file?: string,
): Promise<IncomingMessage | undefined> {
  const at = `registry ${formatAddress(address)}`;
  const headers = token === '' ? {} : { 'X-Consul-Token': token };
  const request = httpRequest({ ...address, method, path: '/v1/snapshot', headers, agent: false });
  request.setTimeout(SILENCE_MS, () => request.destroy(new Error('no answer')));
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
  });
  try {
    if (file === undefined) request.end();
    // An answer may come before all is sent: then it is the answer that counts.
    else pipeline(createReadStream(file), request).catch(() => {});
    const reply = await answered;
    if (reply.statusCode === 200) return reply;
    const why = (await text(reply)).trim();
    throw new SluiceError('registry_refused', `${at}: ${reply.statusCode} ${why}`);
  } catch (error) {
    if (systemCode(error) === 'ECONNREFUSED') return undefined;
    if (error instanceof SluiceError) throw error;
    const message = `${at}: ${messageOf(error)}`;
    throw new SluiceError('registry_unreachable', message, { cause: error });
  }
}

/** A file is there whole or not at all. */
async function writeWhole(file: string, source: AsyncIterable<Uint8Array>): Promise<void> {
  const unfinished = `${file}.unfinished`;
  try {
    await pipeline(source, createWriteStream(unfinished, { mode: 0o600, flush: true }));
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}
