// The keys of session tickets: one set for all workers, so that a client which comes back to another worker, or after a
// restart, need not shake hands in full. The newest makes tickets, older ones are still known for a while; after that
// nobody can open what was protected by them (with TLS 1.2; with 1.3 there is a fresh exchange of keys each time).

import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

/** Name, HMAC and AES, 16 bytes each. */
const KEY_BYTES = 48;
/** A ticket is good as long as a key makes tickets. So a key is known for twice as long. */
export const TICKET_MS = 4 * 3_600_000;
const KEYS_MAX = 3;

type Key = { readonly key: string; readonly madeAtMs: number };

export class TicketKeys {
  readonly #file: string;
  readonly #log: Log;
  #keys: readonly Key[];

  /** `file`: read, and written whenever the keys change, for its owner alone. */
  constructor(file: string, log: Log, nowMs: number) {
    this.#file = file;
    this.#log = log;
    this.#keys = this.#read();
    this.rotate(nowMs);
  }

  /** The newest first. */
  get keys(): readonly string[] {
    return this.#keys.map(({ key }) => key);
  }

  /** When the next key is due. */
  dueInMs(nowMs: number): number {
    const [newest] = this.#keys;
    return newest === undefined ? 0 : Math.max(0, newest.madeAtMs + TICKET_MS - nowMs);
  }

  /** True: there is another newest key. */
  rotate(nowMs: number): boolean {
    // A clock that was put back must not keep a key for ever.
    const known = this.#keys.filter(
      ({ madeAtMs }) => madeAtMs <= nowMs && madeAtMs + 2 * TICKET_MS > nowMs,
    );
    this.#keys = known;
    if (this.dueInMs(nowMs) > 0) return false;
    const key = randomBytes(KEY_BYTES).toString('base64');
    this.#keys = [{ key, madeAtMs: nowMs }, ...known].slice(0, KEYS_MAX);
    this.#write();
    return true;
  }

  #read(): Key[] {
    try {
      const read: unknown = JSON.parse(readFileSync(this.#file, 'utf8'));
      return Array.isArray(read) ? read.filter(isKey) : [];
    } catch {
      // None yet, or not ours: clients shake hands in full once.
      return [];
    }
  }

  #write(): void {
    const next = `${this.#file}.next`;
    try {
      writeFileSync(next, `${JSON.stringify(this.#keys)}\n`, { mode: 0o600 });
      renameSync(next, this.#file);
    } catch (error) {
      this.#log.warn(
        { file: this.#file, error: messageOf(error) },
        'keys of session tickets not kept: after a restart clients shake hands in full once',
      );
    }
  }
}

function isKey(value: unknown): value is Key {
  return (
    typeof value === 'object' &&
    value !== null &&
    'key' in value &&
    typeof value.key === 'string' &&
    Buffer.from(value.key, 'base64').length === KEY_BYTES &&
    'madeAtMs' in value &&
    typeof value.madeAtMs === 'number'
  );
}
