// `sluice kv export` and `import`: records as JSON, in the form of Consul's own export, so that each reads
// what the other wrote.

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { messageOf, SluiceError } from '../../../base/errors.ts';
import type { KvEntry } from '../../../registry.ts';
import { planTransfer, type Transferred, transfer } from '../../client/transfer.ts';
import { print, printJson, standardInput, warn } from '../../output.ts';
import { withRegistry } from './records.ts';
import { judge } from './remarks.ts';

/** Of a whole file. */
const BYTES_MAX = 512 * 1024 * 1024;

export function defineExport(verb: Command): void {
  verb
    .description('Print the records under a prefix as JSON, for import.')
    .argument('[prefix]', 'all when left out', '')
    .addHelpText('after', '\nExample:\n  $ sluice kv export upstreams/ >upstreams.json')
    .action((prefix: string, _: unknown, command: Command) =>
      withRegistry(command, async ({ registry }) => {
        const { entries } = await registry.list(prefix);
        printJson(entries.map(exported));
      }),
    );
}

export function defineImport(verb: Command): void {
  verb
    .description('Write the records of an export; others are left alone.')
    .argument('<file>', 'the file, or - to read it from standard input')
    .option('--dry-run', 'say what would be written, and write nothing')
    .option('--force', 'also server records that gateways will not understand')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Records are written 64 at a time, all of these or none. Where it fails half-way,
it says what was written; run it again to go on.

Example:
  $ sluice kv import --dry-run upstreams.json`,
    )
    .action((file: string, _: unknown, command: Command) =>
      withRegistry(command, async ({ registry, prefix }, options) => {
        const records = parseExport(file, await readSource(file));
        await refuseUnreadable(records, prefix, options.force === true);
        const plan = planTransfer(records, (await registry.list(commonPrefix(records))).entries);
        if (options.dryRun === true) {
          if (options.json === true) printJson(plan.writes.map(({ key, cas }) => ({ key, cas })));
          else for (const { key, cas } of plan.writes) print(`${cas === 0 ? '+' : '~'} ${key}`);
        }
        const done = options.dryRun === true ? 0 : await transfer(registry, plan.writes);
        const counts = { written: done, unchanged: plan.unchanged, records: records.length };
        if (options.json === true && options.dryRun !== true) printJson(counts);
        else if (options.json !== true) {
          const would = options.dryRun === true ? plan.writes.length : done;
          const verb = options.dryRun === true ? 'would be written' : 'written';
          print(`${would} records ${verb}, ${plan.unchanged} are there already`);
        }
      }),
    );
}

function exported({ key, flags, value }: KvEntry) {
  const number = Number(flags);
  return {
    key,
    // More than a JSON number can hold stays a text.
    flags: Number.isSafeInteger(number) ? number : flags,
    value: Buffer.from(value).toString('base64'),
  };
}

async function readSource(file: string): Promise<string> {
  if (file === '-') return (await standardInput(BYTES_MAX)).toString('utf8');
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new SluiceError('usage', `${file}: cannot be read (${messageOf(cause)})`, { cause });
  }
}

function parseExport(file: string, text: string): Transferred[] {
  const fail = (what: string): never => {
    throw new SluiceError(
      'usage',
      `${file}: ${what}; it is not what "sluice kv export" or "consul kv export" writes`,
    );
  };
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    fail(`not JSON (${messageOf(cause)})`);
  }
  if (!Array.isArray(list)) return fail('not a list of records');
  const seen = new Set<string>();
  return list.map((item: unknown, at) => {
    const record: Readonly<Record<string, unknown>> =
      typeof item === 'object' && item !== null ? { ...item } : {};
    const { key, flags = 0, value } = record;
    if (typeof key !== 'string' || key === '' || key.startsWith('/')) {
      return fail(`record ${at + 1} has no key`);
    }
    if (seen.has(key)) return fail(`${key} stands twice`);
    seen.add(key);
    if (!/^\d{1,20}$/.test(String(flags))) return fail(`${key}: its flags are no whole number`);
    if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
      return fail(`${key}: its value is not base64`);
    }
    return { key, flags: String(flags), value: Buffer.from(value, 'base64') };
  });
}

/** All at once, before anything is written. */
async function refuseUnreadable(
  records: readonly Transferred[],
  prefix: string,
  isForced: boolean,
): Promise<void> {
  const refused: string[] = [];
  for (const { key, value } of records) {
    const { remarks, isRefused } = await judge(key, value, prefix);
    if (isRefused && !isForced) refused.push(`${key}: ${remarks.join('; ')}`);
    else for (const remark of remarks) warn(`${key}: ${remark}`);
  }
  if (refused.length === 0) return;
  throw new SluiceError(
    'usage',
    `nothing was written; gateways would report (--force writes them as they are):\n${refused.join('\n')}`,
  );
}

function commonPrefix(records: readonly Transferred[]): string {
  let prefix = records[0]?.key ?? '';
  for (const { key } of records) while (!key.startsWith(prefix)) prefix = prefix.slice(0, -1);
  return prefix;
}
