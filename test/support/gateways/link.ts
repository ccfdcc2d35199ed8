// The network between one gateway and its registry: a relay that can be cut, held, slowed and closed on
// one side alone. What is held is not lost: it goes on, late, when the link is mended.

import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Address } from '../../../src/base/units.ts';
import type { Scope } from '../peers/programs.ts';

type LinkState = { isCut: boolean; isHeld: boolean; delayMs: number };
type Pair = { readonly client: Socket; readonly server: Socket };

export class Link {
  readonly address: Address;
  readonly #pairs: Set<Pair>;
  readonly #state: LinkState;

  private constructor(address: Address, pairs: Set<Pair>, state: LinkState) {
    this.address = address;
    this.#pairs = pairs;
    this.#state = state;
  }

  static async open(t: Pick<Scope, 'after'>, to: Address): Promise<Link> {
    const pairs = new Set<Pair>();
    const state = { isCut: false, isHeld: false, delayMs: 0 };
    const relay = (from: Socket, into: Socket): void => {
      let last = Promise.resolve();
      from.on('data', (bytes) => {
        const { delayMs } = state;
        const wait = delayMs === 0 ? last : Promise.all([last, delay(delayMs)]).then(() => {});
        last = wait.then(() => {
          if (!into.destroyed && into.writable) into.write(bytes);
        });
      });
      from.on('end', () => {
        last = last.then(() => void into.end());
      });
    };
    const listener = createServer({ allowHalfOpen: true }, (client) => {
      if (state.isCut) {
        client.destroy();
        return;
      }
      const server = connect({ port: to.port, host: to.host, allowHalfOpen: true });
      const pair = { client, server };
      pairs.add(pair);
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        relay(one, other);
        if (state.isHeld) one.pause();
        one.on('error', () => other.destroy());
        one.on('close', () => {
          pairs.delete(pair);
          if (!state.isHeld) other.destroySoon();
        });
      }
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      listener.close();
    });
    const bound = listener.address();
    const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
    return new Link({ host: '127.0.0.1', port }, pairs, state);
  }

  /** Ends all connections and takes no more. */
  cut(): void {
    this.#state.isCut = true;
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }

  /** Connections stay and are silent, also new ones. */
  hold(): void {
    this.#state.isHeld = true;
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
  }

  /** Everything comes so much later. */
  slow(delayMs: number): void {
    this.#state.delayMs = delayMs;
  }

  /** The registry's side of every open connection ends; what the gateway sends still arrives. */
  halfClose(): void {
    for (const { client } of this.#pairs) client.end();
  }

  mend(): void {
    Object.assign(this.#state, { isCut: false, isHeld: false, delayMs: 0 });
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }
}
