// A release over instances whose clients stay: the whole program, with real WebSockets and streams of events.
// Each instance costs the grace, not the whole timeout of its drain; nobody is cut off, and nothing of what was sent
// before is lost.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { PROJECT } from '../demo/stack/gateway.ts';
import { eventually } from './support/gateway/lab.ts';
import { type ReleaseStack, startReleaseStack } from './support/release/stack.ts';

const CLIENTS = 12;

/** A client that is always there: it comes back when it is closed, as those of real apps do. */
class Client {
  readonly codes: number[] = [];
  readonly problems: string[] = [];
  #socket: WebSocket;
  #asked = 0;
  #echoed = 0;
  #isOver = false;

  constructor(t: TestContext, port: number) {
    this.#socket = this.#open(t, port);
    const timer = setInterval(() => {
      if (this.#socket.readyState !== WebSocket.OPEN) return;
      this.#asked += 1;
      this.#socket.send(`${this.#asked}`);
    }, 20);
    t.after(() => {
      clearInterval(timer);
      this.#isOver = true;
      this.#socket.terminate();
    });
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN && this.#echoed > 0;
  }

  #open(t: TestContext, port: number): WebSocket {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    let count = 0;
    const asked = this.#asked;
    socket.on('message', (data) => {
      const [word, number] = String(data).split(' ');
      if (word === 'echo') this.#echoed = Number(number);
      else if (Number(number) === count + 1) count += 1;
      else this.problems.push(`${data} behind ${count}`);
      if (word === 'echo' && Number(number) <= asked) this.problems.push(`an old ${data}`);
    });
    socket.on('error', (error) => this.problems.push(error.message));
    socket.on('close', (code) => {
      if (this.#isOver) return;
      this.codes.push(code);
      this.#socket = this.#open(t, port);
    });
    return socket;
  }
}

async function deploy(
  { stack }: ReleaseStack,
  version: string,
): Promise<{ text: string; ms: number }> {
  const lines: string[] = [];
  const startedMs = performance.now();
  const { code } = await stack.cli(['deploy', 'app', '--version', version], (line) =>
    lines.push(line),
  );
  const text = lines.join('\n');
  assert.equal(code, 0, text);
  return { text, ms: performance.now() - startedMs };
}

test('a release closes WebSockets with 1001 within the grace, and streams behind an event', async (t) => {
  const it = await startReleaseStack(t, {
    app: join(PROJECT, 'test/support/release/websocket-app.ts'),
    upstream: '    long_lived: { policy: close_after, grace: 1s }\n',
    // Longer than a test can wait.
    drainTimeout: '120s',
  });
  await deploy(it, 'v1');
  const port = it.stack.ports.gateway;
  const clients = Array.from({ length: CLIENTS }, () => new Client(t, port));
  const endings: string[] = [];
  const watch = async (): Promise<void> => {
    const response = await fetch(`http://127.0.0.1:${port}/events`);
    const text = await response.text().catch(() => 'cut off');
    endings.push(text.slice(-12));
  };
  const streams = [watch(), watch()];
  await eventually('all have heard an echo', () => clients.every((client) => client.isOpen));
  const { text, ms } = await deploy(it, 'v2');
  assert(ms < 60_000, `${ms} ms: it has waited for the timeout`);
  await Promise.all(streams);
  assert.deepEqual(
    clients.flatMap(({ problems }) => problems),
    [],
  );
  const codes = clients.flatMap((client) => client.codes);
  assert(codes.length >= CLIENTS, `${codes}`);
  assert(
    codes.every((code) => code === 1001),
    `${codes}`,
  );
  for (const ending of endings) assert.match(ending, /data: v1\n\n$/);
  assert.match(text, /, 0 cut, 0 lost/);
  assert.match(text, /\d+ tunnels: 0 ended, \d+ closed by the gateway, 0 cut, \d+ open/);
  assert.match(text, /2 streams: 0 ended, 2 closed by the gateway, 0 cut, 0 open/);
  const status = await it.stack.status();
  const open = status.upstreams[0]?.servers.reduce((sum, server) => sum + server.tunnels, 0) ?? 0;
  assert(open > 0, 'they have come back');
});
