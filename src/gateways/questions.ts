// What one gateway asks another while somebody looks on: what it remembers of its traffic and of its requests. As all
// between gateways it goes through the registry, under the leases of both, and is removed when the answer is here or
// the time is over. Best effort throughout: who does not answer is not heard, and nothing that decides about servers
// reads any of it.
//
//   asked/<to>/<from>/<number>       the question
//   answered/<from>/<to>/<number>    the answer, packed with gzip

import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { messageOf } from '../base/errors.ts';
import type { KvEntry, KvState, Watch } from '../registry.ts';
import type { UnderLeaseOptions } from './shared-figures.ts';

const [pack, unpack] = [promisify(gzip), promisify(gunzip)];

/** A registry may take no more than 512 KiB. */
const PACKED_MAX = 448 * 1024;
const ANSWER_MAX = 32 * 1024 * 1024;
const QUESTION_MAX = 4096;
/** Questions of one gateway that are answered at a time; more are not answered. */
const AT_ONCE_MAX = 16;
/** The next question comes within this time, more often than not, ms. */
const WATCH_KEEP_MS = 20_000;
/** What is too long is tried with less in it. */
const SHARES = [1, 0.25, 0.05];

/** `share`: how much of it is wanted, 1 = all. Undefined: it is no question that is known here. */
export type Answer = (question: string, share: number) => Promise<string | undefined>;

export class Questions {
  readonly #options: UnderLeaseOptions;
  readonly #askedWatch: Watch;
  /** Keys of questions that are answered, or being answered. */
  readonly #taken = new Set<string>();
  /** Keys of answers that are waited for. */
  readonly #waiting = new Map<string, (value: Uint8Array) => void>();
  #answer: Answer | undefined;
  #answers: Watch | undefined;
  #forget: NodeJS.Timeout | undefined;
  /** An answer to a question of an earlier run is none to ours. */
  #number = Date.now();
  #isClosed = false;

  constructor(options: UnderLeaseOptions) {
    this.#options = options;
    const { store, prefix, id } = options;
    this.#askedWatch = store.watch(`${prefix}asked/${id}/`, {
      onState: (state) => this.#take(state),
    });
  }

  answerWith(answer: Answer): void {
    this.#answer = answer;
  }

  /** Undefined: there was no answer in time. Never throws. */
  async ask(gateway: string, question: string, timeoutMs: number): Promise<string | undefined> {
    const { prefix, id, log } = this.#options;
    const lease = this.#options.lease();
    if (lease === undefined || this.#isClosed) return undefined;
    this.#listen();
    this.#number += 1;
    const key = `${prefix}asked/${gateway}/${id}/${this.#number}`;
    const answerKey = `${prefix}answered/${id}/${gateway}/${this.#number}`;
    const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
    const timer = setTimeout(resolve, timeoutMs, undefined);
    this.#waiting.set(answerKey, resolve);
    const written = lease.put(key, question).catch((error: unknown) => {
      log.debug({ gateway, reason: messageOf(error) }, 'another gateway could not be asked');
      resolve(undefined);
    });
    try {
      const packed = await promise;
      if (packed === undefined) return undefined;
      return String(await unpack(packed, { maxOutputLength: ANSWER_MAX }));
    } catch {
      // Of a stranger: nothing is known of it.
      return undefined;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(answerKey);
      // Else it vanishes with the lease.
      void written.then(() => lease.delete(key)).catch(() => {});
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#forget);
    this.#askedWatch.close();
    this.#answers?.close();
    for (const resolve of this.#waiting.values()) resolve(new Uint8Array());
  }

  #listen(): void {
    const { store, prefix, id } = this.#options;
    this.#answers ??= store.watch(`${prefix}answered/${id}/`, {
      onState: ({ entries }) => {
        for (const { key, value } of entries) this.#waiting.get(key)?.(value);
      },
    });
    clearTimeout(this.#forget);
    this.#forget = setTimeout(() => this.#deafen(), WATCH_KEEP_MS).unref();
  }

  #deafen(): void {
    if (this.#waiting.size > 0) return this.#listen();
    this.#answers?.close();
    this.#answers = undefined;
  }

  #take({ entries }: KvState): void {
    const asked = new Set(entries.map(({ key }) => key));
    for (const key of this.#taken) {
      if (asked.has(key)) continue;
      this.#taken.delete(key);
      this.#remove(key);
    }
    const busy = new Map<string, number>();
    for (const entry of entries) {
      const from = this.#partsOf(entry.key).from;
      const count = (busy.get(from) ?? 0) + 1;
      busy.set(from, count);
      if (this.#taken.has(entry.key) || count > AT_ONCE_MAX) continue;
      this.#taken.add(entry.key);
      void this.#reply(entry).catch((error: unknown) => {
        this.#options.log.debug({ from, reason: messageOf(error) }, 'a question was not answered');
      });
    }
  }

  async #reply({ key, value }: KvEntry): Promise<void> {
    if (value.length > QUESTION_MAX || this.#answer === undefined) return;
    const question = Buffer.from(value).toString();
    for (const share of SHARES) {
      const text = await this.#answer(question, share);
      if (text === undefined) return;
      const packed = await pack(text);
      if (packed.length > PACKED_MAX) continue;
      // Who has stopped waiting removes no answer.
      if (!this.#taken.has(key)) return;
      await this.#options.lease()?.put(this.#answerKey(key), packed);
      if (!this.#taken.has(key)) this.#remove(key);
      return;
    }
  }

  #remove(key: string): void {
    this.#options
      .lease()
      ?.delete(this.#answerKey(key))
      .catch(() => {});
  }

  #answerKey(key: string): string {
    const { prefix, id } = this.#options;
    const { from, number } = this.#partsOf(key);
    return `${prefix}answered/${from}/${id}/${number}`;
  }

  #partsOf(key: string): { readonly from: string; readonly number: string } {
    const [from = '', number = ''] = key
      .slice(`${this.#options.prefix}asked/${this.#options.id}/`.length)
      .split('/');
    return { from, number };
  }
}
