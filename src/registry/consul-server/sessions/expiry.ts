// Ends sessions that nobody renewed. Consul frees a lock between one and two times the TTL; here it is
// the TTL and a tenth of it, never before the TTL. A renewal moves a deadline in memory and writes
// nothing, so after a restart every session begins anew: nobody could renew while we were away. The
// same holds when this process stood still (stopped, machine asleep): then nobody is to blame.

import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { Changed, Store } from '../../embedded.ts';
import type { Clock } from '../http.ts';
import { SESSIONS } from './session.ts';
import { endSession } from './session-writes.ts';

/** What is added to the TTL, as a share of it: a renewal that is late by a little counts. */
const GRACE = 0.1;
/** A timer that is later than this says that we stood still. */
const LATE_MS = 1_000;
/** After a write that the disk refused. */
const RETRY_MS = 1_000;

type Deadline = { readonly ttlMs: number; atMs: number };

export class SessionExpiry {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #deadlines = new Map<string, Deadline>();
  readonly #stopListening: () => void;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #closed = false;

  constructor(store: Store, clock: Clock, log: Log) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#beginAll();
    this.#stopListening = store.onChange((changes) => this.#follow(changes));
    this.#arm();
  }

  /** The session has its whole TTL again. */
  renew(id: string): void {
    const deadline = this.#deadlines.get(id);
    if (deadline !== undefined) this.#begin(id, deadline.ttlMs);
  }

  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#timer?.cancel();
  }

  #begin(id: string, ttlMs: number): void {
    if (ttlMs === 0) return;
    const atMs = this.#clock.nowMs() + ttlMs * (1 + GRACE);
    this.#deadlines.set(id, { ttlMs, atMs });
  }

  #follow(changes: readonly Changed[] | 'all'): void {
    if (changes === 'all') {
      this.#deadlines.clear();
      this.#beginAll();
    } else {
      let isTouched = false;
      for (const { family, key } of changes) {
        if (family !== SESSIONS.name) continue;
        isTouched = true;
        const session = SESSIONS.find(this.#store.table, key);
        if (session === undefined) this.#deadlines.delete(key);
        else if (!this.#deadlines.has(key)) this.#begin(key, session.value.ttlMs);
      }
      if (!isTouched) return;
    }
    this.#arm();
  }

  #beginAll(): void {
    for (const { id, value } of SESSIONS.list(this.#store.table)) this.#begin(id, value.ttlMs);
  }

  /** One timer, aimed at the nearest deadline; renewals leave it where it is. */
  #arm(): void {
    if (this.#closed) return;
    let atMs = Number.POSITIVE_INFINITY;
    for (const deadline of this.#deadlines.values()) atMs = Math.min(atMs, deadline.atMs);
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const delayMs = atMs - this.#clock.nowMs();
    this.#timer = { atMs, cancel: this.#clock.after(delayMs, () => this.#expire(atMs)) };
  }

  #expire(aimedAtMs: number): void {
    this.#timer = undefined;
    const nowMs = this.#clock.nowMs();
    if (nowMs - aimedAtMs > LATE_MS) {
      const lateMs = Math.round(nowMs - aimedAtMs);
      this.#log.warn({ late_ms: lateMs }, 'registry stood still: its sessions begin anew');
      for (const [id, { ttlMs }] of this.#deadlines) this.#begin(id, ttlMs);
    }
    const due = [...this.#deadlines].filter(([, { atMs }]) => atMs <= nowMs);
    if (due.length > 0) this.#end(due);
    this.#arm();
  }

  #end(due: readonly (readonly [string, Deadline])[]): void {
    for (const [, deadline] of due) deadline.atMs = this.#clock.nowMs() + RETRY_MS;
    this.#store
      .transact((writes) => {
        // Those that were renewed between the timer and this group have another deadline.
        const lost = due.filter(([id, deadline]) => this.#deadlines.get(id) === deadline);
        for (const [id] of lost) endSession(writes, id, this.#clock.wallMs());
        return lost.map(([id]) => id);
      })
      .then(
        (ended) => {
          for (const id of ended) this.#log.info({ session: id }, 'registry session expired');
        },
        (error: unknown) => {
          this.#log.warn({ reason: messageOf(error) }, 'registry cannot end expired sessions');
        },
      );
  }
}
