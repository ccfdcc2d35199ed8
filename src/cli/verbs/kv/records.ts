// What the kv verbs have in common: the registry that they speak to, its keys, and how a record is shown.

import { type Command, InvalidArgumentError } from 'commander';
import { SluiceError } from '../../../base/errors.ts';
import type { KvEntry, RecordStore } from '../../../registry.ts';
import { type GlobalOptions, registryOf } from '../../client/target.ts';

export type KvOptions = GlobalOptions & {
  readonly raw?: boolean;
  readonly keys?: boolean;
  readonly recurse?: boolean;
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly cas?: number;
  readonly dryRun?: boolean;
};

export async function withRegistry(
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

/** As JSON, its value in base64. */
export function recordOf(entry: KvEntry): Record<string, unknown> {
  return { ...entry, value: Buffer.from(entry.value).toString('base64') };
}

export function changedMeanwhile(key: string, cas: number | undefined): SluiceError {
  const what = cas === 0 ? 'exists already' : `does not have index ${cas} any more`;
  return new SluiceError(
    'conflict',
    `${key}: ${what}; read it again with "sluice kv get --json ${key}"`,
  );
}

export function parseKey(text: string): string {
  if (text === '') throw new InvalidArgumentError('A key is not empty.');
  if (text.startsWith('/')) throw new InvalidArgumentError('A key does not begin with a slash.');
  return text;
}

export function parseIndex(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('An index is a whole number.');
  return Number(text);
}
