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
  readonly #earlier = new Map<string, readonly Admin[]>();

  get all(): readonly PendingIntent[] {
    return [...this.#words.values()].flatMap((servers) => [...servers.values()]);
  }

  of(upstream: string): ReadonlyMap<string, PendingIntent> {
    return this.#words.get(upstream) ?? new Map();
  }

  get(upstream: string, server: string): PendingIntent | undefined {
    return this.#words.get(upstream)?.get(server);
  }

  /** The base of the first word that waits stays. */
  keep(intent: PendingIntent): void {
    const { upstream, server } = intent;
    const servers = this.#words.get(upstream) ?? new Map<string, PendingIntent>();
    this.#words.set(upstream, servers);
    const last = servers.get(server);
    if (last !== undefined) {
      const key = `${upstream} ${server}`;
      const earlier = [...(this.#earlier.get(key) ?? []), last.admin];
      this.#earlier.set(key, earlier.slice(-EARLIER_MAX));
    }
    servers.set(server, { ...intent, base: last?.base ?? intent.base });
  }

  /** What the registry may say although nobody else has spoken. */
  ours({ upstream, server, base, admin }: PendingIntent): readonly Admin[] {
    return [base, admin, ...(this.#earlier.get(`${upstream} ${server}`) ?? [])];
  }

  /** False where a newer word of the meantime waits for its own turn. */
  settle(upstream: string, server: string, admin: Admin): boolean {
    const servers = this.#words.get(upstream);
    if (servers?.get(server)?.admin !== admin) return false;
    servers.delete(server);
    this.#earlier.delete(`${upstream} ${server}`);
    return true;
  }
}
