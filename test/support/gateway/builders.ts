// Builders for tests of the gateway: a gateway on a free port, scripted raw servers and raw clients.
// Everything is closed in t.after.

import { once } from 'node:events';
import { connect, createServer, type Server as NetServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import {
  defaultConfig,
  type GatewayConfig,
  type GatewayLimits,
  type GatewayTimeouts,
} from '../../../src/config.ts';
import { Gateway, type GatewayOptions } from '../../../src/gateway.ts';
import { type Balancing, ROUND_ROBIN, type Route, type ServerState } from '../../../src/model.ts';
import { UpstreamSet } from '../../../src/upstream.ts';
import { serverState as anyServer } from '../upstream/builders.ts';
import { credentialsOf, tlsSettings } from './certificates.ts';

/** `SLUICE_FRONT=tls`: the same tests with clients that come by TLS. */
const isOverTls = process.env['SLUICE_FRONT'] === 'tls';
export const frontScheme = isOverTls ? 'https' : 'http';

export type GatewayPatch = Partial<Omit<GatewayConfig, 'limits' | 'timeouts'>> & {
  readonly limits?: Partial<GatewayLimits>;
  readonly timeouts?: Partial<GatewayTimeouts>;
};

export function gatewayConfig(patch: GatewayPatch = {}): GatewayConfig {
  const { gateway } = defaultConfig();
  return {
    ...gateway,
    listen: [
      {
        ...{ id: 'test', host: '127.0.0.1', port: 0 },
        ...(isOverTls ? { tls: tlsSettings() } : {}),
      },
    ],
    ...patch,
    limits: { ...gateway.limits, ...patch.limits },
    timeouts: { ...gateway.timeouts, ...patch.timeouts },
  };
}

export function serverState(port: number, patch: Partial<ServerState> = {}): ServerState {
  return anyServer({ id: `127.0.0.1:${port}`, port, ...patch });
}

type StartOptions = Partial<GatewayOptions> & { readonly balancing?: Balancing };

export type TestGateway = {
  readonly port: number;
  readonly gateway: Gateway;
  readonly upstreams: UpstreamSet;
  /** Replaces the servers of upstream `app`. */
  readonly setServers: (servers: readonly ServerState[]) => void;
};

export async function startGateway(
  t: TestContext,
  servers: readonly (number | ServerState)[],
  patch: GatewayPatch = {},
  routes: readonly Route[] = [{ host: '', path: '/', upstream: 'app' }],
  { balancing = ROUND_ROBIN, ...options }: StartOptions = {},
): Promise<TestGateway> {
  const upstreams = new UpstreamSet();
  const front = isOverTls ? { credentials: credentialsOf() } : {};
  const gateway = new Gateway({ config: gatewayConfig(patch), upstreams, ...front, ...options });
  t.after(() => gateway.destroy());
  let generation = 0;
  const setServers = (states: readonly ServerState[]): void => {
    generation += 1;
    gateway.apply({
      generation,
      upstreams: [{ name: 'app', balancing, slowStartMs: 0, servers: states }],
      removed: [],
    });
  };
  setServers(servers.map((s) => (typeof s === 'number' ? serverState(s) : s)));
  gateway.setRoutes(routes);
  const [address] = await gateway.listen();
  if (address === undefined) throw new Error('no listener');
  return { port: address.port, gateway, upstreams, setServers };
}

export type RawServer = {
  readonly port: number;
  readonly connections: Socket[];
  /** All bytes received so far, per connection in order of accept, latin1. */
  readonly received: string[];
  /** Resolves when the condition on `received` holds. */
  readonly until: (condition: () => boolean) => Promise<void>;
};

/** A server that runs `onData` with the socket and all that this connection has sent so far. */
export async function startRawServer(
  t: TestContext,
  onData: (socket: Socket, received: string, connection: number) => void,
): Promise<RawServer> {
  const connections: Socket[] = [];
  const received: string[] = [];
  const waiting = new Set<() => void>();
  const server: NetServer = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const index = connections.length;
    connections.push(socket);
    received.push('');
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('data', (data: Buffer) => {
      received[index] += data.toString('latin1');
      onData(socket, received[index] ?? '', index);
      for (const check of waiting) check();
    });
    for (const check of waiting) check();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of connections) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  return {
    port: address.port,
    connections,
    received,
    until: (condition) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!condition()) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
  };
}

/** A server that answers every whole request (GET, or with Content-Length) with `hello`. */
export function startHello(t: TestContext, body = 'hello'): Promise<RawServer> {
  const answered = new Map<number, number>();
  return startRawServer(t, (socket, received, connection) => {
    const heads = received.split('\r\n\r\n').length - 1;
    for (let done = answered.get(connection) ?? 0; done < heads; done += 1) {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      answered.set(connection, done + 1);
    }
  });
}

/** A port on which nothing listens: taken from the system and given back. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return address !== null && typeof address === 'object' ? address.port : 0;
}

/** Of a TLSSocket only the socket below can be reset. */
function secured(plain: Socket): Socket {
  const socket = connectTls({ socket: plain, rejectUnauthorized: false });
  plain.on('error', () => {});
  return Object.assign(socket, {
    resetAndDestroy: () => {
      plain.resetAndDestroy();
      return socket;
    },
  });
}

export class RawClient {
  readonly socket: Socket;
  #text = '';
  #isEnded = false;
  #error = '';
  readonly #waiting = new Set<() => void>();

  constructor(t: TestContext, port: number) {
    const plain = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    this.socket = isOverTls ? secured(plain) : plain;
    t.after(() => this.socket.destroy());
    const wake = (): void => {
      for (const check of [...this.#waiting]) check();
    };
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = error.code ?? 'error';
    });
    this.socket.on('data', (data: Buffer) => {
      this.#text += data.toString('latin1');
      wake();
    });
    this.socket.on('end', () => {
      this.#isEnded = true;
      wake();
    });
    this.socket.on('close', () => {
      this.#isEnded = true;
      wake();
    });
  }

  get text(): string {
    return this.#text;
  }

  get error(): string {
    return this.#error;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  async until(condition: (text: string) => boolean): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (condition(this.#text)) {
          this.#waiting.delete(check);
          resolve();
        } else if (this.#isEnded) {
          reject(new Error(`connection ended (${this.#error}) with ${JSON.stringify(this.#text)}`));
        }
      };
      this.#waiting.add(check);
      check();
    });
    return this.#text;
  }

  /** All bytes up to the gateway's FIN or reset. */
  async ended(): Promise<string> {
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (this.#isEnded) resolve();
      };
      this.#waiting.add(check);
      check();
    });
    return this.#text;
  }
}

/** Sends the bytes on a connection of their own and returns all that comes back until it closes. */
export async function rawExchange(t: TestContext, port: number, bytes: string): Promise<string> {
  return new RawClient(t, port).send(bytes).ended();
}

/** Turns of the event loop in which nothing may change any more. */
const QUIET_TURNS = 200;

/**
 * Resolves when the value stays as it is. Clients, gateway and servers run in this one process, so that
 * each turn moves every byte that can be moved.
 */
export async function untilQuiet(value: () => number): Promise<void> {
  let last = value();
  for (let quiet = 0; quiet < QUIET_TURNS; quiet += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = value();
    if (now !== last) quiet = 0;
    last = now;
  }
}
