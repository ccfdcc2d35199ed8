// `sluice kv get|put|ls|rm`: the registry's records, through the client that gateways use. Refuses
// to write a record of an upstream that no gateway would understand.

import { type Command, InvalidArgumentError } from 'commander';
import { SluiceError } from '../../base/errors.ts';
import type { KvEntry, RecordStore } from '../../registry.ts';
import { type GlobalOptions, registryOf } from '../client/target.ts';
import { print, printJson, table, visible, warn, widthOf } from '../output.ts';

/** Consul's own bound; checked here so that standard input cannot grow without end. */
const VALUE_BYTES_MAX = 512 * 1024;
const VALUE_SHOWN_LENGTH = 60;

type KvOptions = GlobalOptions & {
  readonly raw?: boolean;
  readonly keys?: boolean;
  readonly recurse?: boolean;
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly cas?: number;
};

export function addKv(program: Command): void {
  const kv = program
    .command('kv')
    .summary('read and write the records of the registry')
    .description("Read and write the registry's records.")
    .addHelpText(
      'after',
      `
A server is the record upstreams/<upstream>/<host:port> (upstreams/ stands for
registry.prefix, where the configuration has another); its value is JSON with
weight, max_fails, fail_timeout (seconds), max_conns, down, backup,
all optional; what gateways do not read is said.

Examples:
  $ sluice kv put upstreams/app/127.0.0.1:9001 '{"weight":2}'
  $ sluice kv put upstreams/app/127.0.0.1:9001 '{"weight":2,"down":1}'
  $ sluice kv ls upstreams/
  $ sluice kv rm upstreams/app/127.0.0.1:9001`,
    );
  addGet(kv);
  addPut(kv);
  addLs(kv);
  addRm(kv);
}

function addGet(kv: Command): void {
  kv.command('get')
    .description('Print the value of a key.')
    .argument('<key>', '', parseKey)
    .option('--raw', 'the bytes alone, with no line end added')
    .option('--json', 'the whole record, its value in base64')
    .action((key: string, _: unknown, command: Command) =>
      withRegistry(command, async ({ registry }, options) => {
        const entry = await registry.get(key);
        if (entry === undefined)
          throw new SluiceError('not_found', `there is no key "${key}"; see "sluice kv ls"`);
        if (options.json === true) printJson(recordOf(entry));
        else if (options.raw === true) process.stdout.write(entry.value);
        else print(Buffer.from(entry.value).toString('utf8'));
      }),
    );
}

function addPut(kv: Command): void {
  kv.command('put')
    .description('Write a value.')
    .argument('<key>', '', parseKey)
    .argument('<value>', 'the value, or - to read it from standard input')
    .option(
      '--cas <index>',
      'only if the record still has this ModifyIndex; 0: is absent',
      parseIndex,
    )
    .option('--force', 'also a server record that gateways will not understand')
    .option('--json', 'print the result as JSON')
    .action((key: string, text: string, _: unknown, command: Command) =>
      withRegistry(command, async ({ registry, prefix }, options) => {
        const value = text === '-' ? await standardInput() : Buffer.from(text);
        const remarks = await remarksOn(key, value, { prefix, isForced: options.force === true });
        const isWritten = await registry.put(
          key,
          value,
          options.cas === undefined ? {} : { cas: options.cas },
        );
        if (!isWritten) throw changedMeanwhile(key, options.cas);
        if (options.json === true) printJson({ key, written: true, remarks });
        else print(`${key}: written`);
        for (const remark of remarks) warn(`${key}: ${remark}`);
      }),
    );
}

function addLs(kv: Command): void {
  kv.command('ls')
    .description('List the records under a prefix.')
    .argument('[prefix]', 'all when left out', '')
    .option('--keys', 'the keys alone, one per line')
    .option('--json', 'the records as JSON, their values in base64')
    .action((prefix: string, _: unknown, command: Command) =>
      withRegistry(command, async ({ registry }, options) => {
        const { entries } = await registry.list(prefix);
        if (options.json === true) printJson(entries.map(recordOf));
        else if (options.keys === true)
          process.stdout.write(entries.map(({ key }) => `${key}\n`).join(''));
        else if (entries.length === 0) print(`no records under "${prefix}"`);
        else {
          const rows = entries.map((entry) => [
            visible(entry.key),
            entry.modifyIndex,
            valueShown(entry),
          ]);
          print(table([['KEY', 'INDEX', 'VALUE'], ...rows], widthOf(process.stdout)).join('\n'));
        }
      }),
    );
}

function addRm(kv: Command): void {
  kv.command('rm')
    .description('Remove a record.')
    .argument('<key>', 'the key; a prefix with --recurse')
    .option('-r, --recurse', 'every record under the prefix; needs --yes')
    .option('--yes', 'yes, all of them')
    .option('--cas <index>', 'only if the record still has this ModifyIndex', parseIndex)
    .option('--json', 'print the result as JSON')
    .action((key: string, _: unknown, command: Command) =>
      withRegistry(command, ({ registry }, options) => remove(registry, key, options)),
    );
}

async function remove(registry: RecordStore, key: string, options: KvOptions): Promise<void> {
  let count: number;
  if (options.recurse === true) {
    count = (await registry.list(key)).entries.length;
    if (options.yes !== true) {
      throw new SluiceError(
        'usage',
        `this would remove ${count} records under "${key}"; add --yes to do it`,
      );
    }
    await registry.delete(key, { recurse: true });
  } else {
    const known = await registry.get(parseKey(key));
    if (known === undefined) {
      throw new SluiceError('not_found', `there is no key "${key}"; a prefix needs --recurse`);
    }
    count = 1;
    const isGone = await registry.delete(
      key,
      options.cas === undefined ? {} : { cas: options.cas },
    );
    if (!isGone) throw changedMeanwhile(key, options.cas);
  }
  if (options.json === true) printJson({ key, removed: count });
  else print(options.recurse === true ? `${key}: ${count} records removed` : `${key}: removed`);
}

/**
 * What gateways will report of the record. Refused is what they could not read at all, and keep the
 * server's last good state instead; what they read with a remark is written with it.
 */
async function remarksOn(
  key: string,
  value: Buffer,
  { prefix, isForced }: { readonly prefix: string; readonly isForced: boolean },
): Promise<readonly string[]> {
  if (!key.startsWith(prefix) || key.endsWith('/')) return [];
  const { readInstance } = await import('../../registry.ts');
  const read = readInstance(key, value, prefix);
  const problems = 'problem' in read ? [read.problem] : read.problems;
  const isRead = 'instance' in read && read.unreadable.length === 0 && !read.breaksUpsync;
  const messages = problems.map(({ message }) => visible(message));
  if (isForced || isRead) return messages;
  throw new SluiceError(
    'usage',
    `${key}: nothing was written; gateways would report: ${messages.join('; ')} (--force writes it as it is)`,
  );
}

async function withRegistry(
  command: Command,
  act: (target: { registry: RecordStore; prefix: string }, options: KvOptions) => Promise<void>,
): Promise<void> {
  const options = command.optsWithGlobals<KvOptions>();
  const target = await registryOf(options);
  try {
    await act(target, options);
  } finally {
    target.registry.close();
  }
}

async function standardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > VALUE_BYTES_MAX) {
      throw new SluiceError(
        'too_large',
        `the value is over ${VALUE_BYTES_MAX} bytes; the registry takes no more`,
      );
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function recordOf(entry: KvEntry): Record<string, unknown> {
  return { ...entry, value: Buffer.from(entry.value).toString('base64') };
}

/** Cut for the eyes alone: who reads it from a pipe wants the value. */
function valueShown(entry: KvEntry): string {
  const text = visible(Buffer.from(entry.value).toString('utf8'));
  return process.stdout.isTTY && text.length > VALUE_SHOWN_LENGTH
    ? `${text.slice(0, VALUE_SHOWN_LENGTH)}…`
    : text;
}

function changedMeanwhile(key: string, cas: number | undefined): SluiceError {
  const what = cas === 0 ? 'exists already' : `does not have index ${cas} any more`;
  return new SluiceError(
    'conflict',
    `${key}: ${what}; read it again with "sluice kv get --json ${key}"`,
  );
}

function parseKey(text: string): string {
  if (text === '') throw new InvalidArgumentError('A key is not empty.');
  if (text.startsWith('/')) throw new InvalidArgumentError('A key does not begin with a slash.');
  return text;
}

function parseIndex(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('An index is a whole number.');
  return Number(text);
}
