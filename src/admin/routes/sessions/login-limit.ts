// Whoever guesses tokens is slowed down: after a few wrong ones an address waits, twice as long each time. It
// waits for a right one as well, or the answer would tell which it was.
//
//   failures  1–5  6    7    8    …  11 and more
//   wait      –    1 s  2 s  4 s  …  30 s

import { isIPv6 } from 'node:net';
import { SluiceError } from '../../../base/errors.ts';

const FREE_FAILURES = 5;
const WAIT_FIRST_MS = 1000;
/** People behind one address, as that of an ssh tunnel, must not be locked out for long. */
const WAIT_MAX_MS = 30_000;
/** Without another failure they are forgotten after this. */
const FORGET_MS = 15 * 60_000;
const ADDRESSES_MAX = 1000;

type Failures = { count: number; lastMs: number };

export class LoginLimit {
  /** The one that failed longest ago first. */
  readonly #failures = new Map<string, Failures>();
  readonly #now: () => number;

  /** `now`: monotonic ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @throws too_many */
  check(address: string): void {
    const failures = this.#failures.get(networkOf(address));
    if (failures === undefined || failures.count <= FREE_FAILURES) return;
    const waitMs = Math.min(WAIT_FIRST_MS * 2 ** (failures.count - FREE_FAILURES - 1), WAIT_MAX_MS);
    const leftMs = Math.ceil(failures.lastMs + waitMs - this.#now());
    if (leftMs <= 0) return;
    throw new SluiceError(
      'too_many',
      `login: ${failures.count} wrong tokens from this address; try again in ${Math.ceil(leftMs / 1000)} s`,
      { details: { retryAfterMs: leftMs } },
    );
  }

  failed(address: string): void {
    const network = networkOf(address);
    const nowMs = this.#now();
    const last = this.#failures.get(network);
    const isForgotten = last === undefined || nowMs - last.lastMs > FORGET_MS;
    this.#failures.delete(network);
    this.#failures.set(network, { count: isForgotten ? 1 : last.count + 1, lastMs: nowMs });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > ADDRESSES_MAX && oldest !== undefined) this.#failures.delete(oldest);
  }

  succeeded(address: string): void {
    this.#failures.delete(networkOf(address));
  }
}

/** Of IPv6 the first 64 bits: whoever has one address there has them all. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address;
  const [front = '', back] = address.split('::');
  const groups = front === '' ? [] : front.split(':');
  const behind = back === undefined || back === '' ? [] : back.split(':');
  const missing = back === undefined ? 0 : 8 - groups.length - behind.length;
  return [...groups, ...Array<string>(missing).fill('0'), ...behind].slice(0, 4).join(':');
}
