// Words about servers that the registry does not have yet. One word for each server, the last; what was
// said before it is remembered, because a write that was given up may yet arrive.

import type { Admin } from '../model.ts';

/** Words about one server that are remembered while the registry is away. */
const EARLIER_MAX = 20;

/** A word that the registry does not have yet. */
export type PendingIntent = {
  readonly upstream: string;
  readonly server: string;
  /** ready: the server is to be given back. */
  readonly admin: Admin;
  /** What the registry said when this was decided. */
  readonly base: Admin;
};

export class PendingWords {
  readonly #words = new Map<string, Map<string, PendingIntent>>();
  /** Of those, not in force. */
  readonly #held = new Set<PendingIntent>();
  readonly #earlier = new Map<string, readonly Admin[]>();

  get all(): readonly PendingIntent[] {
    return [...this.#words.values()].flatMap((servers) => [...servers.values()]);
  }

  has(upstream: string): boolean {
    return (this.#words.get(upstream)?.size ?? 0) > 0;
  }

  /** Those that are in force here. */
  inForce(upstream: string): readonly PendingIntent[] {
    const words = [...(this.#words.get(upstream)?.values() ?? [])];
    return words.filter((word) => !this.#held.has(word));
  }

  isHeld(upstream: string, server: string): boolean {
    const word = this.get(upstream, server);
    return word !== undefined && this.#held.has(word);
  }

  get(upstream: string, server: string): PendingIntent | undefined {
    return this.#words.get(upstream)?.get(server);
  }

  /**
   * The base of the first word that waits stays. A server that the registry has as taken out is held back
   * when it is given back: other gateways go by what we said of it, until `release`.
   */
  keep(intent: PendingIntent): void {
    const { upstream, server, admin } = intent;
    const servers = this.#words.get(upstream) ?? new Map<string, PendingIntent>();
    this.#words.set(upstream, servers);
    const last = servers.get(server);
    if (last !== undefined) {
      this.#held.delete(last);
      const key = `${upstream} ${server}`;
      const earlier = [...(this.#earlier.get(key) ?? []), last.admin];
      this.#earlier.set(key, earlier.slice(-EARLIER_MAX));
    }
    const base = last?.base ?? intent.base;
    const word = { ...intent, base };
    servers.set(server, word);
    if (admin.state === 'ready' && base.state !== 'ready') this.#held.add(word);
  }

  get held(): readonly PendingIntent[] {
    return [...this.#held];
  }

  /** Of these, what is still held back comes into force. Gives the upstreams. */
  release(words: readonly PendingIntent[]): ReadonlySet<string> {
    const released = words.filter((word) => this.#held.delete(word));
    return new Set(released.map(({ upstream }) => upstream));
  }

  /** The registry says this, and nobody else has spoken about the server. */
  isOurs({ upstream, server, base, admin }: PendingIntent, shared: Admin): boolean {
    const earlier = this.#earlier.get(`${upstream} ${server}`) ?? [];
    return [base, admin, ...earlier].some((word) => isSameAdmin(shared, word));
  }

  /** False where a newer word of the meantime waits for its own turn. */
  settle(upstream: string, server: string, admin: Admin): boolean {
    const servers = this.#words.get(upstream);
    const word = servers?.get(server);
    if (word?.admin !== admin) return false;
    servers?.delete(server);
    this.#held.delete(word);
    this.#earlier.delete(`${upstream} ${server}`);
    return true;
  }
}

/** One word, and not the same said again. */
export function isSameAdmin(a: Admin, b: Admin): boolean {
  return (
    a.state === b.state && a.owner === b.owner && a.reason === b.reason && a.sinceMs === b.sinceMs
  );
}
