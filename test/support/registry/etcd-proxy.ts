// A connection between a client and etcd that can break in the ways in which networks do.

import { connect, createServer, type Socket } from 'node:net';
import type { Address } from '../../../src/base/units.ts';
import type { Scope } from '../peers/programs.ts';

export type Proxy = {
  readonly address: Address;
  /** Ends all connections and takes no more. */
  cut(): void;
  /** Takes connections again. */
  mend(): void;
  /** From now on, nothing of what comes on the connections that are open is handed on. */
  silence(): void;
};

export async function startProxy(t: Pick<Scope, 'after'>, to: Address): Promise<Proxy> {
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket }>();
  let isCut = false;
  const end = (): void => {
    for (const { client, server } of pairs) {
      client.destroy();
      server.destroy();
    }
  };
  const listener = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const server = connect(to.port, to.host);
    const pair = { client, server };
    pairs.add(pair);
    client.pipe(server);
    server.pipe(client);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => {
        pairs.delete(pair);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    end();
    listener.close();
  });
  const bound = listener.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
  return {
    address: { host: '127.0.0.1', port },
    cut() {
      isCut = true;
      end();
    },
    mend() {
      isCut = false;
    },
    silence() {
      for (const { client, server } of pairs) {
        server.unpipe(client);
        server.resume();
      }
    },
  };
}
