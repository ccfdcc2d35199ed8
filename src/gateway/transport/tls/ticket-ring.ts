// Keys of session tickets in a worker: the newest makes tickets, all of them open them. Node documents one key per context,
// and no way to keep an old one; the callback that OpenSSL has for it is there, but not documented. Where a Node has it
// not, the newest key alone counts, and after a change of keys clients shake hands in full once.

import { randomBytes, randomFillSync } from 'node:crypto';
import type { SecureContext } from 'node:tls';

/** Each key is a name, an HMAC and an AES key of so many bytes. */
const PART_BYTES = 16;
const KEY_BYTES = 3 * PART_BYTES;
const RANDOM_BYTES = 256 * PART_BYTES;

type TicketKey = {
  readonly all: Buffer;
  readonly name: Buffer;
  readonly hmac: Buffer;
  readonly aes: Buffer;
};

/**
 * As Node wants it: 1 = use these, 2 = and the client gets a new ticket, 0 = the key is not known. Without two keys the
 * process ends, also where they mean nothing; name and iv are for a new ticket.
 */
type TicketAnswer = readonly [
  code: 0 | 1 | 2,
  hmac: Buffer,
  aes: Buffer,
  name?: Buffer,
  iv?: Buffer,
];

export class TicketRing {
  #keys: readonly TicketKey[] = [];
  readonly #random = Buffer.alloc(RANDOM_BYTES);
  #randomAt = RANDOM_BYTES;
  /** Those that have one key only. */
  readonly #simple = new Set<WeakRef<SecureContext>>();

  /** Base64, the newest first; none: those that were there stay, or each context has a key of its own. */
  use(keys: readonly string[]): void {
    const next = keys.flatMap((text) => {
      const all = Buffer.from(text, 'base64');
      return all.length === KEY_BYTES ? [partsOf(all)] : [];
    });
    // Contexts that were served go on asking.
    if (next.length === 0) return;
    this.#keys = next;
    for (const reference of this.#simple) {
      const context = reference.deref();
      if (context === undefined) this.#simple.delete(reference);
      else this.#setNewest(context);
    }
  }

  /** From now on the context makes and opens tickets with these keys. */
  serve(context: SecureContext): void {
    if (this.#keys.length === 0) return;
    const native = nativeOf(context);
    const enable: unknown = native && Reflect.get(native, 'enableTicketKeyCallback');
    if (native === undefined || typeof enable !== 'function') {
      this.#simple.add(new WeakRef(context));
      return this.#setNewest(context);
    }
    const answer = (name: Buffer, iv: Buffer, isNew: boolean): TicketAnswer =>
      this.#answer(name, iv, isNew);
    Reflect.set(native, 'onticketkeycallback', answer);
    enable.call(native);
  }

  #answer(name: Buffer, _: Buffer, isNew: boolean): TicketAnswer {
    const [newest = NO_KEY] = this.#keys;
    if (isNew) return [1, newest.hmac, newest.aes, newest.name, this.#vector()];
    const found = this.#keys.find((key) => key.name.equals(name));
    if (found === undefined) return [0, newest.hmac, newest.aes];
    return [found === newest ? 1 : 2, found.hmac, found.aes];
  }

  /** Random bytes for one ticket, made for many at a time. */
  #vector(): Buffer {
    if (this.#randomAt >= RANDOM_BYTES) {
      randomFillSync(this.#random);
      this.#randomAt = 0;
    }
    const at = this.#randomAt;
    this.#randomAt += PART_BYTES;
    return this.#random.subarray(at, at + PART_BYTES);
  }

  #setNewest(context: SecureContext): void {
    const native = nativeOf(context);
    const set: unknown = native && Reflect.get(native, 'setTicketKeys');
    const [newest] = this.#keys;
    if (newest !== undefined && typeof set === 'function') set.call(native, newest.all);
  }
}

/** Never used: nobody asks before there are keys. */
const NO_KEY = partsOf(Buffer.from(randomBytes(KEY_BYTES)));

function partsOf(all: Buffer): TicketKey {
  const part = (at: number): Buffer => all.subarray(at * PART_BYTES, (at + 1) * PART_BYTES);
  return { all, name: part(0), hmac: part(1), aes: part(2) };
}

function nativeOf({ context }: SecureContext): object | undefined {
  return typeof context === 'object' && context !== null ? context : undefined;
}
