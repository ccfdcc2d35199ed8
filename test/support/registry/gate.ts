// A door in front of a registry: what goes through it is passed on as it is, and when it is shut nobody is
// there. So a test takes a registry away from one client alone, and whoever writes still reaches it.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Address } from '../../../src/base/units.ts';
import type { Scope } from '../peers/programs.ts';

export type Gate = {
  readonly address: Address;
  /** Ends all connections; others are refused. */
  shut(): Promise<void>;
  open(): Promise<void>;
  /** Connections stay and new ones are taken, but nothing goes through any more. */
  freeze(): void;
};

export async function startGate(t: Pick<Scope, 'after'>, target: Address): Promise<Gate> {
  const sockets = new Set<Socket>();
  let isFrozen = false;
  let port = 0;
  const server = createServer((client) => {
    const inner = connect({ host: target.host, port: target.port });
    for (const [from, to] of [
      [client, inner],
      [inner, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => {
        if (!isFrozen) to.write(bytes);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        if (!isFrozen) to.destroy();
      });
    }
  });
  const gate: Gate = {
    get address() {
      return { host: '127.0.0.1', port };
    },
    async shut() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    async open() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      const bound = server.address();
      if (bound !== null && typeof bound === 'object') port = bound.port;
    },
    freeze() {
      isFrozen = true;
    },
  };
  await gate.open();
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return gate;
}
