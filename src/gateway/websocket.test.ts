// Real WebSockets, of a client and a server that know nothing of each other's end: what is said before the
// server leaves arrives, in both directions, and the client learns that it goes (1001).

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { serverState, startGateway } from '../../test/support/gateway/builders.ts';
import { eventually } from '../../test/support/gateway/lab.ts';

const CLIENTS = 8;

type Talk = { readonly heard: string[]; readonly said: string[]; code: number };

async function startServer(t: TestContext, options: { readonly perMessageDeflate: boolean }) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  await once(server, 'listening');
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  const talks: Talk[] = [];
  server.on('connection', (socket) => {
    const talk: Talk = { heard: [], said: [], code: 0 };
    talks.push(talk);
    const timer = setInterval(() => {
      // Of one byte, and longer than any read.
      const text = `${talk.said.length} ${'x'.repeat(talk.said.length % 7 === 0 ? 70_000 : 1)}`;
      if (socket.readyState !== WebSocket.OPEN) return;
      talk.said.push(text);
      socket.send(text);
    }, 5);
    socket.on('message', (data) => talk.heard.push(String(data)));
    socket.on('close', (code) => {
      clearInterval(timer);
      talk.code = code;
    });
    t.after(() => clearInterval(timer));
  });
  return { port: address.port, talks };
}

for (const perMessageDeflate of [false, true]) {
  test(`everything that was said arrives, then 1001 (deflate ${perMessageDeflate})`, async (t) => {
    const server = await startServer(t, { perMessageDeflate });
    const policy = { policy: 'close_after', graceMs: 500, spreadMs: 500 } as const;
    const gateway = await startGateway(t, [server.port], { longLived: { app: policy } });
    const clients: Talk[] = [];
    for (let index = 0; index < CLIENTS; index += 1) {
      const talk: Talk = { heard: [], said: [], code: 0 };
      clients.push(talk);
      const client = new WebSocket(`ws://127.0.0.1:${gateway.port}/`, { perMessageDeflate });
      t.after(() => client.terminate());
      client.on('message', (data) => talk.heard.push(String(data)));
      client.on('close', (code) => {
        talk.code = code;
      });
      await once(client, 'open');
      const text = `hello ${index} ${'y'.repeat(70_000)}`;
      talk.said.push(text);
      client.send(text);
    }
    await eventually('the server has heard all, and they hear it', () =>
      [...server.talks, ...clients].every(({ heard }) => heard.length > 0),
    );
    gateway.setServers([serverState(server.port, { admin: 'drain' })]);
    await eventually('all are over', () =>
      [...server.talks, ...clients].every(({ code }) => code !== 0),
    );
    for (const [index, { heard, said, code }] of clients.entries()) {
      const other = server.talks[index];
      assert(other !== undefined);
      assert.deepEqual([code, other.code], [1001, 1001]);
      assert.deepEqual(other.heard, said);
      assert.equal(heard.length, other.said.length, 'the client has what the server has sent');
      assert.deepEqual(heard, other.said);
    }
    const [app] = gateway.upstreams.get('app')?.servers ?? [];
    const { tunnels, tunnelsClosed, tunnelsCut } = app?.counters ?? {};
    assert.deepEqual([tunnels, tunnelsClosed, tunnelsCut, app?.inFlight], [CLIENTS, CLIENTS, 0, 0]);
  });
}
