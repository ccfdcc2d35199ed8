// A gateway on the simulated network with one server and scripted clients, on virtual time: what happens
// in a second takes none, and what has not happened by then does not happen.

import type { TestContext } from 'node:test';
import type { Connection, ConnectionHandler } from '../../../src/gateway/transport.ts';
import { Gateway } from '../../../src/gateway.ts';
import { ROUND_ROBIN } from '../../../src/model.ts';
import { type Upstream, UpstreamSet } from '../../../src/upstream.ts';
import { type GatewayPatch, gatewayConfig, serverState } from './builders.ts';
import { MemoryNetwork } from './memory-network.ts';

const GATEWAY_PORT = 80;
const SERVER_PORT = 9001;

/** One end of a connection: all that came, and what can be done with it. */
export class SimulatedPeer implements ConnectionHandler {
  text = '';
  isEnded = false;
  isClosed = false;
  error = '';
  readonly #connection: Connection;
  readonly #onData: ((peer: SimulatedPeer) => void) | undefined;

  constructor(
    connect: (handler: ConnectionHandler) => Connection,
    onData?: (peer: SimulatedPeer) => void,
  ) {
    this.#onData = onData;
    this.#connection = connect(this);
    this.#connection.handler = this;
  }

  /** Sent, and neither in the network nor at the other end. */
  get unsentBytes(): number {
    return this.#connection.pendingBytes;
  }

  send(text: string): void {
    this.#connection.writeText(text);
  }

  end(): void {
    this.#connection.end();
  }

  reset(): void {
    this.#connection.reset();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  onConnect(): void {}
  onDrain(): void {}
  onData(buffer: Buffer, start: number, end: number): void {
    this.text += buffer.toString('latin1', start, end);
    this.#onData?.(this);
  }
  onEnd(): void {
    this.isEnded = true;
  }
  onClose(error: string): void {
    this.isClosed = true;
    this.error = error;
  }
}

export type Simulated = {
  readonly gateway: Gateway;
  readonly app: Upstream;
  /** The connections that came to the server, in order. */
  readonly servers: SimulatedPeer[];
  readonly client: () => SimulatedPeer;
  readonly now: () => number;
  /** Virtual time goes on by so much. */
  readonly pass: (ms: number) => Promise<void>;
};

/** `onData`: the server has more bytes; without it, it only listens; `silent`: nobody is there. */
export async function simulate(
  t: TestContext,
  patch: GatewayPatch,
  onData?: ((server: SimulatedPeer) => void) | 'silent',
): Promise<Simulated> {
  const network = new MemoryNetwork({
    ...{ random: () => 0.25, delayMsMax: 4, windowBytes: 65_536 },
    ...(onData === 'silent' ? { silentPort: SERVER_PORT } : {}),
  });
  const upstreams = new UpstreamSet();
  const listen = [{ id: 'test', host: '127.0.0.1', port: GATEWAY_PORT }];
  const config = gatewayConfig({ ...patch, listen });
  const gateway = new Gateway({
    ...{ config, upstreams, transport: network },
    now: () => network.nowMs,
  });
  t.after(() => gateway.destroy());
  const servers = [serverState(SERVER_PORT)];
  gateway.apply({
    generation: 1,
    upstreams: [{ name: 'app', balancing: ROUND_ROBIN, slowStartMs: 0, servers }],
    removed: [],
  });
  gateway.setRoutes([{ host: '', path: '/', upstream: 'app' }]);
  await gateway.listen();
  const accepted: SimulatedPeer[] = [];
  await network.listen({ host: '127.0.0.1', port: SERVER_PORT }, (connection) => {
    accepted.push(new SimulatedPeer(() => connection, onData === 'silent' ? undefined : onData));
  });
  const app = upstreams.get('app');
  if (app === undefined) throw new Error('no upstream');
  return {
    ...{ gateway, app, servers: accepted, now: () => network.nowMs },
    client: () =>
      new SimulatedPeer((handler) => network.connect('127.0.0.1', GATEWAY_PORT, handler)),
    pass: async (ms) => {
      // In steps, so that deadlines between two events fall due in their order.
      for (const endMs = network.nowMs + ms; network.nowMs < endMs; ) {
        await network.run(Math.min(endMs, network.nowMs + 50), () => gateway.tick());
      }
    },
  };
}
