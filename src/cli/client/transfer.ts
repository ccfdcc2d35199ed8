// Many records into a registry: which have to be written, and writing them, so many at a time, each only if
// nobody else wrote it meanwhile.

import { messageOf, SluiceError } from '../../base/errors.ts';
import type { KvEntry, RecordStore } from '../../registry.ts';

export type Transferred = {
  readonly key: string;
  readonly value: Uint8Array;
  readonly flags: string;
};

export type TransferWrite = Transferred & {
  /** The index of the record that it replaces; 0 = there is none. */
  readonly cas: number;
};

export type Transfer = {
  readonly writes: readonly TransferWrite[];
  /** They are there as they shall be. */
  readonly unchanged: number;
};

/** Consul takes 512 KiB in one transaction, in base64. */
const COMMIT_BYTES_MAX = 256 * 1024;

export function planTransfer(records: readonly Transferred[], there: readonly KvEntry[]): Transfer {
  const known = new Map(there.map((entry) => [entry.key, entry]));
  const writes = records.flatMap((record) => {
    const before = known.get(record.key);
    if (before !== undefined && isSame(before, record)) return [];
    return [{ ...record, cas: before?.modifyIndex ?? 0 }];
  });
  return { writes, unchanged: records.length - writes.length };
}

export function isSame(a: Transferred, b: Transferred): boolean {
  return a.flags === b.flags && Buffer.compare(a.value, b.value) === 0;
}

/** How many were written. What fails half-way says so. @throws conflict, registry_… */
export async function transfer(
  registry: RecordStore,
  writes: readonly TransferWrite[],
): Promise<number> {
  let done = 0;
  // Loaded here: it is much, and most verbs have no need of it.
  const { COMMIT_WRITES_MAX } = await import('../../registry.ts');
  for (const group of groupsOf(writes, COMMIT_WRITES_MAX)) {
    const [first] = group;
    const soFar = (): string =>
      `${done} of ${writes.length} records written, not those from "${first?.key}" on; run it again to go on`;
    let isWritten: boolean;
    try {
      isWritten =
        group.length === 1 && first !== undefined
          ? await registry.put(first.key, first.value, { cas: first.cas, flags: first.flags })
          : await registry.commit(group);
    } catch (error) {
      const code = error instanceof SluiceError ? error.code : 'internal';
      throw new SluiceError(code, `${messageOf(error)}; ${soFar()}`, {
        cause: error,
        details: { written: done },
      });
    }
    if (!isWritten) {
      throw new SluiceError('conflict', `somebody else wrote a record meanwhile; ${soFar()}`, {
        details: { written: done },
      });
    }
    done += group.length;
  }
  return done;
}

function* groupsOf(
  writes: readonly TransferWrite[],
  countMax: number,
): Generator<readonly TransferWrite[]> {
  let group: TransferWrite[] = [];
  let bytes = 0;
  for (const write of writes) {
    const size = write.key.length + write.value.length;
    const isFull = group.length === countMax || bytes + size > COMMIT_BYTES_MAX;
    if (isFull && group.length > 0) {
      yield group;
      [group, bytes] = [[], 0];
    }
    group.push(write);
    bytes += size;
  }
  if (group.length > 0) yield group;
}
