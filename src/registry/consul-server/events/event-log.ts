// The newest events, and who waits for the next one. The index of a list is made of the id of its last
// event, so it does not rise: a query waits while it is the one that the client knows.

import { randomUUID } from 'node:crypto';

const KEPT_MAX = 256;

export type EventRequest = {
  readonly name: string;
  readonly payload: Buffer;
  readonly nodeFilter: string;
  readonly serviceFilter: string;
  readonly tagFilter: string;
};

export type UserEvent = EventRequest & { readonly id: string; readonly time: number };

export class EventLog {
  readonly #events: UserEvent[] = [];
  readonly #waiting = new Set<() => void>();
  /** Of Consul's clock of events; its first one is its own. */
  #time = 1;

  get waiting(): number {
    return this.#waiting.size;
  }

  /** `isForUs`: this node is among those that it is meant for. */
  fire(request: EventRequest, isForUs: boolean): UserEvent {
    const event = { ...request, id: randomUUID(), time: ++this.#time };
    if (!isForUs) return event;
    this.#events.push(event);
    if (this.#events.length > KEPT_MAX) this.#events.shift();
    for (const wake of [...this.#waiting]) wake();
    return event;
  }

  /** The oldest first. */
  list(isWanted: (event: UserEvent) => boolean): readonly UserEvent[] {
    return this.#events.filter(isWanted);
  }

  /** Calls back at the next event, any of them, until it is stopped. */
  listen(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }

  /** Lets everybody who waits look once more. */
  wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

/** An unsigned 64-bit number as text; 1 for a list without events, as no answer carries 0. */
export function indexOf(events: readonly UserEvent[]): string {
  const hex = events.at(-1)?.id.replaceAll('-', '');
  if (hex === undefined) return '1';
  return (BigInt(`0x${hex.slice(0, 16)}`) ^ BigInt(`0x${hex.slice(16)}`)).toString();
}
