// The calls of etcd's v3 API that read and write keys. `root` stands before every key of a record.

import { messageOf, SluiceError } from '../../../base/errors.ts';
import type { KvEntry } from '../../record-store.ts';
import { type Calls, GRPC } from '../transport.ts';
import { entryOf, type Fields, headerOf, listOf, parseFields, rangeOf } from './answer.ts';
import { judgeV3 } from './judge.ts';

/** Of a long list, so many at a time. */
const PAGE_KEYS = 2_000;
/** How often a list that was compacted away while it was read is begun anew. */
const READS_MAX = 5;

export type PrefixState = {
  readonly revision: number;
  readonly clusterId: string;
  readonly entries: readonly KvEntry[];
};

type ListOptions = { readonly signal?: AbortSignal; readonly isBare?: boolean };

type CallOptions = Omit<Parameters<Calls['call']>[1] & object, 'judge'>;

export class EtcdKv {
  readonly calls: Calls;
  readonly root: string;

  constructor(calls: Calls, root: string) {
    this.calls = calls;
    this.root = root;
  }

  /** `answers`: codes whose answers are given back, as `code`. */
  async post(
    path: string,
    body: unknown,
    options: CallOptions & { readonly answers?: readonly number[] } = {},
  ): Promise<Fields> {
    const { answers = [], ...rest } = options;
    const request = { method: 'POST', path: `/v3/${path}`, body: JSON.stringify(body) } as const;
    const reply = await this.calls.call(request, { ...rest, judge: judgeV3(...answers) });
    return read(() => parseFields(reply.body.toString()));
  }

  /** All records of a prefix as they stood at one revision; `isBare`: without their values. */
  async list(prefix: string, options: ListOptions = {}): Promise<PrefixState> {
    for (let reads = 1; ; reads++) {
      const state = await this.#readPages(prefix, options);
      if (state !== undefined) return state;
      if (reads < READS_MAX) continue;
      throw new SluiceError(
        'registry_refused',
        `registry: the records under "${prefix}" were compacted away ${READS_MAX} times while they were read; compact less often`,
      );
    }
  }

  /** Undefined: what was read first is not there any more. */
  async #readPages(
    prefix: string,
    { signal, isBare = false }: ListOptions,
  ): Promise<PrefixState | undefined> {
    const { key: first, range_end } = rangeOf(this.root + prefix);
    const entries: KvEntry[] = [];
    let header: { readonly revision: number; readonly clusterId: string } | undefined;
    for (let key = first; ; ) {
      const answer: Fields = await this.post(
        'kv/range',
        {
          key,
          range_end,
          limit: String(PAGE_KEYS),
          ...(isBare ? { keys_only: true } : {}),
          ...(header === undefined ? {} : { revision: String(header.revision) }),
        },
        { answers: header === undefined ? [] : [GRPC.outOfRange], ...(signal ? { signal } : {}) },
      );
      if (answer['code'] !== undefined) return undefined;
      const page = read(() => ({
        header: headerOf(answer),
        entries: listOf(answer['kvs'], 'kvs').map((kv) => entryOf(kv, this.root)),
      }));
      header ??= page.header;
      entries.push(...page.entries);
      const last = page.entries.at(-1);
      if (answer['more'] !== true || last === undefined) return { ...header, entries };
      key = Buffer.from(`${this.root}${last.key}\0`).toString('base64');
    }
  }
}

/** Reads an answer. @throws registry_refused */
export function read<Result>(parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    throw new SluiceError('registry_refused', `registry: ${messageOf(error)}; is it etcd?`, {
      cause: error,
    });
  }
}
