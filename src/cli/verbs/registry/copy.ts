// `sluice registry copy`: records of one registry into another, of whatever kind, and a look at the end
// whether both have the same.

import type { Command } from 'commander';
import { SluiceError } from '../../../base/errors.ts';
import type { KvEntry, RecordStore } from '../../../registry.ts';
import { type GlobalOptions, registryOf } from '../../client/target.ts';
import { isSame, planTransfer, transfer } from '../../client/transfer.ts';
import { print, printJson, remark } from '../../output.ts';

type CopyOptions = GlobalOptions & {
  readonly prefix?: string;
  readonly dryRun?: boolean;
  readonly flags: boolean;
};

const SHOWN_MAX = 10;

export function defineCopy(verb: Command): void {
  verb
    .description('Copy the records of one registry into another, and compare them at the end.')
    .argument('<from>', 'host:port[,…], etcd://host:port[,…], or a name of the file')
    .argument('<to>', 'the same')
    .option('--prefix <prefix>', 'only the records under it (default: registry.prefix, upstreams/)')
    .option('--no-flags', "without Consul's flags, which etcd does not keep")
    .option('--dry-run', 'say what would be written, and write nothing')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Records that are in TO alone are left there, and counted. Exits 0 when all under
the prefix of FROM is in TO as it is in FROM; a record that somebody wrote
meanwhile is named: run it again. Who is drained is under sluice/intents/.

Example:
  $ sluice registry copy 127.0.0.1:8500 etcd://10.0.0.1:2379,10.0.0.2:2379`,
    )
    .action(async (from: string, to: string, _: unknown, command: Command) =>
      copy(from, to, command.optsWithGlobals<CopyOptions>()),
    );
}

async function copy(from: string, to: string, options: CopyOptions): Promise<void> {
  const source = await registryOf({ ...options, registry: from });
  try {
    const target = await registryOf({ ...options, registry: to });
    try {
      const prefix = options.prefix ?? source.prefix;
      await copyRecords(source.registry, target.registry, { ...options, prefix });
    } finally {
      target.registry.close();
    }
  } finally {
    source.registry.close();
  }
}

async function copyRecords(
  from: RecordStore,
  to: RecordStore,
  options: CopyOptions & { readonly prefix: string },
): Promise<void> {
  const { prefix } = options;
  const wanted = async (): Promise<readonly KvEntry[]> => {
    const { entries } = await from.list(prefix);
    return options.flags ? entries : entries.map((entry) => ({ ...entry, flags: '0' }));
  };
  const records = await wanted();
  if (records.length === 0) {
    throw new SluiceError('not_found', `there are no records under "${prefix}"; see --prefix`);
  }
  const { writes, unchanged } = planTransfer(records, (await to.list(prefix)).entries);
  if (options.dryRun === true) {
    for (const { key, cas } of writes) remark(`${cas === 0 ? '+' : '~'} ${key}`);
    if (options.json === true) printJson({ written: 0, would: writes.length, unchanged });
    else print(`${writes.length} records would be written, ${unchanged} are there already`);
    return;
  }
  const written = await transfer(to, writes);
  const [now, there] = [await wanted(), (await to.list(prefix)).entries];
  const known = new Map(there.map((entry) => [entry.key, entry]));
  const differ = now.filter((entry) => {
    const other = known.get(entry.key);
    return other === undefined || !isSame(other, entry);
  });
  const extra = there.length - (now.length - differ.filter(({ key }) => !known.has(key)).length);
  if (options.json === true) {
    printJson({ written, unchanged, extra, differ: differ.map(({ key }) => key) });
  } else {
    const more = extra > 0 ? `; ${extra} more are there that the first has not` : '';
    print(`${written} records written, ${unchanged} were there already${more}`);
  }
  if (differ.length === 0) return;
  const names = differ.slice(0, SHOWN_MAX).map(({ key }) => key);
  const rest = differ.length > SHOWN_MAX ? `, … (${differ.length} in all)` : '';
  throw new SluiceError(
    'conflict',
    `${names.join(', ')}${rest}: not the same in both, somebody wrote meanwhile; run it again`,
  );
}
