// What gateways will say of a record, before it is written. A server's record that they cannot read is
// refused: they would keep the server's last good state instead. One that they read with a remark is written.

import { SluiceError } from '../../../base/errors.ts';
import { visible } from '../../output.ts';

export type Judgement = {
  readonly remarks: readonly string[];
  /** Gateways would not take it. */
  readonly isRefused: boolean;
};

export async function judge(key: string, value: Uint8Array, prefix: string): Promise<Judgement> {
  if (!key.startsWith(prefix) || key.endsWith('/')) return { remarks: [], isRefused: false };
  const { readInstance } = await import('../../../registry.ts');
  const read = readInstance(key, value, prefix);
  const problems = 'problem' in read ? [read.problem] : read.problems;
  const isRead = 'instance' in read && read.unreadable.length === 0 && !read.breaksUpsync;
  return { remarks: problems.map(({ message }) => visible(message)), isRefused: !isRead };
}

/** The remarks on it. @throws usage, when it is refused and not forced */
export async function remarksOn(
  key: string,
  value: Uint8Array,
  { prefix, isForced }: { readonly prefix: string; readonly isForced: boolean },
): Promise<readonly string[]> {
  const { remarks, isRefused } = await judge(key, value, prefix);
  if (isForced || !isRefused) return remarks;
  throw new SluiceError(
    'usage',
    `${key}: nothing was written; gateways would report: ${remarks.join('; ')} (--force writes it as it is)`,
  );
}
