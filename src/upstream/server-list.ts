// The servers of an upstream in the order of the table. Each knows its position, and some can join or leave between
// the others: that moves the numbers of those behind, and looks at nothing else of them.

import type { ServerState, UpstreamChange } from '../model.ts';
import type { Server } from './server.ts';

export class ServerList {
  readonly #servers: Server[];
  readonly #byId: Map<string, Server>;

  constructor(servers: Iterable<Server> = []) {
    this.#servers = [...servers];
    this.#byId = new Map(this.#servers.map((server) => [server.id, server]));
    this.#number(0);
  }

  /** Live, in order. */
  get all(): readonly Server[] {
    return this.#servers;
  }

  get(id: string): Server | undefined {
    return this.#byId.get(id);
  }

  /** One that is not listed yet. */
  insert(place: number, server: Server): void {
    this.#servers.splice(place, 0, server);
    this.#byId.set(server.id, server);
    this.#number(place);
  }

  remove(server: Server): void {
    this.#servers.splice(server.position, 1);
    this.#byId.delete(server.id);
    this.#number(server.position);
  }

  /** All states as they are with this change, which is not in force yet. */
  statesWith({ servers, places = [], left = [] }: UpstreamChange): readonly ServerState[] {
    const next = new Map(servers.map((state) => [state.id, state]));
    const gone = new Set(left);
    const states = this.#servers.flatMap(({ id, state }) =>
      gone.has(id) ? [] : [next.get(id) ?? state],
    );
    const joined = servers.flatMap((state, at) =>
      this.#byId.has(state.id) ? [] : [{ state, place: places[at] ?? 0 }],
    );
    joined.sort((a, b) => a.place - b.place);
    for (const { state, place } of joined) states.splice(place, 0, state);
    return states;
  }

  #number(from: number): void {
    for (let place = from; place < this.#servers.length; place += 1) {
      const server = this.#servers[place];
      if (server !== undefined) server.position = place;
    }
  }
}
