// `sluice kv watch`: a line for each record that changes under a prefix, until interrupted.

import type { Command } from 'commander';
import type { KvEntry, KvState } from '../../../registry.ts';
import { print, remark, visible } from '../../output.ts';
import { recordOf, withRegistry } from './records.ts';

export function defineWatch(verb: Command): void {
  verb
    .description('Print what changes under a prefix, until interrupted.')
    .argument('[prefix]', 'all when left out', '')
    .option('--json', 'one JSON object per line, values in base64')
    .addHelpText(
      'after',
      `
+ is a record that was not there, ~ one that has another value, - one that is
gone. Several changes of one record in a moment may be one line.`,
    )
    .action((prefix: string, _: unknown, command: Command) =>
      withRegistry(command, async ({ registry }, options) => {
        const asJson = options.json === true;
        let last: ReadonlyMap<string, KvEntry> | undefined;
        const onState = ({ entries }: KvState): void => {
          const next = new Map(entries.map((entry) => [entry.key, entry]));
          if (last === undefined) remark(`watching ${next.size} records under "${prefix}"`);
          else for (const line of changes(last, next, asJson)) print(line);
          last = next;
        };
        const onHealth = ({ reachable, address, trouble }: Health): void =>
          remark(reachable ? `registry ${address} answers again` : `registry: ${trouble}`);
        registry.watch(prefix, { onState, onHealth });
        await new Promise<never>(() => {});
      }),
    );
}

type Health = {
  readonly reachable: boolean;
  readonly address: string;
  readonly trouble: string;
};

function* changes(
  last: ReadonlyMap<string, KvEntry>,
  next: ReadonlyMap<string, KvEntry>,
  asJson: boolean,
): Generator<string> {
  for (const [key, entry] of last) {
    if (!next.has(key)) yield lineOf('-', entry, asJson);
  }
  for (const [key, entry] of next) {
    const before = last.get(key);
    if (before?.modifyIndex === entry.modifyIndex) continue;
    yield lineOf(before === undefined ? '+' : '~', entry, asJson);
  }
}

const WORDS = { '+': 'created', '~': 'changed', '-': 'deleted' } as const;

function lineOf(what: keyof typeof WORDS, entry: KvEntry, asJson: boolean): string {
  if (asJson) return JSON.stringify({ change: WORDS[what], ...recordOf(entry) });
  const value = what === '-' ? '' : `  ${visible(Buffer.from(entry.value).toString('utf8'))}`;
  return `${what} ${visible(entry.key)}${value}`;
}
