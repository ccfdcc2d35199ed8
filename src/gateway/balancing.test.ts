// Balancing as clients see it: the gateway gives the methods what they ask of a request, and the
// client its cookie.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  RawClient,
  type RawServer,
  serverState,
  startGateway,
  startHello,
  startRawServer,
} from '../../test/support/gateway/builders.ts';
import { type Balancing, ROUND_ROBIN } from '../model.ts';

const STICKY: Balancing = {
  ...ROUND_ROBIN,
  sticky: { cookie: 'at', attributes: '; Path=/; HttpOnly' },
};

type Visit = { readonly body: string; readonly head: string };

async function visitor(t: TestContext, balancing: Balancing, patch = {}) {
  const servers = await Promise.all(['a', 'b', 'c'].map((body) => startHello(t, body)));
  const gateway = await startGateway(
    t,
    servers.map(({ port }) => port),
    patch,
    [{ host: '', path: '/', upstream: 'app' }],
    { balancing },
  );
  const visit = async (target: string, fields = ''): Promise<Visit> => {
    const client = new RawClient(t, gateway.port);
    client.send(`GET ${target} HTTP/1.1\r\nHost: app\r\n${fields}\r\n`);
    const text = await client.until((received) => /\r\n\r\n[abc]$/.test(received));
    client.socket.destroy();
    return { body: text.slice(-1), head: text.slice(0, -1) };
  };
  return { visit, gateway, servers };
}

const cookieOf = ({ head }: Visit): string => /Set-Cookie: (at=[0-9a-f]+)/.exec(head)?.[1] ?? '';

test('the same path goes to the same server, whatever the query; other paths spread', async (t) => {
  const { visit } = await visitor(t, { ...ROUND_ROBIN, method: 'hash' });
  const seen = new Set<string>();
  // Which ones is by chance, as the ports are: enough of them that no server is left out.
  for (let item = 0; item < 60; item += 1) {
    const first = await visit(`/item/${item}?a`);
    assert.equal((await visit(`/item/${item}?b`)).body, first.body);
    seen.add(first.body);
  }
  assert.equal(seen.size, 3);
});

test('a client behind a trusted proxy is who that proxy says, and nobody else can say it', async (t) => {
  const balancing: Balancing = { ...ROUND_ROBIN, method: 'ip_hash' };
  const believed = await visitor(t, balancing, { trustedProxies: ['127.0.0.1'] });
  const seen = new Set<string>();
  for (let net = 0; net < 30; net += 1) {
    const from = (last: number): string => `X-Forwarded-For: 9.9.9.9, 198.51.${net}.${last}\r\n`;
    const first = await believed.visit('/', from(1));
    assert.equal((await believed.visit('/', from(2))).body, first.body, 'one network, one server');
    seen.add(first.body);
  }
  assert.equal(seen.size, 3);
  const alone = await visitor(t, balancing);
  const bodies = new Set<string>();
  for (let net = 0; net < 10; net += 1) {
    bodies.add((await alone.visit('/', `X-Forwarded-For: 198.51.${net}.1\r\n`)).body);
  }
  assert.equal(bodies.size, 1);
});

test('a cookie keeps a client at its server, and moves with it when that is drained', async (t) => {
  const { visit, gateway, servers } = await visitor(t, STICKY);
  const first = await visit('/');
  assert.match(first.head, /\r\nSet-Cookie: at=[0-9a-f]{32}; Path=\/; HttpOnly\r\n/);
  const cookie = `Cookie: other=1; ${cookieOf(first)}\r\n`;
  for (let count = 0; count < 4; count += 1) {
    const again = await visit('/', cookie);
    assert.equal(again.body, first.body);
    assert.doesNotMatch(again.head, /Set-Cookie/);
  }
  gateway.setServers(
    servers.map(({ port }, index) =>
      serverState(port, index === 'abc'.indexOf(first.body) ? { admin: 'drain' } : {}),
    ),
  );
  const moved = await visit('/', cookie);
  assert.notEqual(moved.body, first.body);
  assert.equal((await visit('/', `Cookie: ${cookieOf(moved)}\r\n`)).body, moved.body);
});

test("the application's own cookies stay as they are beside ours", async (t) => {
  const server = await startRawServer(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nSet-Cookie: s=1\r\nContent-Length: 0\r\n\r\n');
  });
  const route = [{ host: '', path: '/', upstream: 'app' }];
  const { port } = await startGateway(t, [server.port], {}, route, { balancing: STICKY });
  const client = new RawClient(t, port).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const head = await client.until((text) => text.endsWith('\r\n\r\n'));
  assert.match(head, /Set-Cookie: s=1\r\n/);
  assert.match(head, /Set-Cookie: at=/);
});

test('a WebSocket gets the cookie with its 101', async (t) => {
  const server = await startRawServer(t, (socket) => {
    socket.write('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
  });
  const route = [{ host: '', path: '/', upstream: 'app' }];
  const { port } = await startGateway(t, [server.port], {}, route, { balancing: STICKY });
  const client = new RawClient(t, port).send(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  );
  assert.match(await client.until((text) => text.endsWith('\r\n\r\n')), /\r\nSet-Cookie: at=/);
});

test('least_time sees how long the answers take', async (t) => {
  const held: (() => void)[] = [];
  const slow: RawServer = await startRawServer(t, (socket) => {
    held.push(() => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ns'));
  });
  const quick = await startHello(t, 'q');
  const route = [{ host: '', path: '/', upstream: 'app' }];
  const { port, upstreams } = await startGateway(t, [slow.port, quick.port], {}, route, {
    balancing: { ...ROUND_ROBIN, method: 'least_time' },
  });
  const beganMs = performance.now();
  const first = new RawClient(t, port).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await slow.until(() => held.length === 1);
  for (let count = 0; count < 5; count += 1) {
    const client = new RawClient(t, port).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until((text) => text.endsWith('q'));
  }
  held[0]?.();
  await first.until((text) => text.endsWith('s'));
  const [one, two] = upstreams.get('app')?.servers ?? [];
  assert.ok((one?.answerMs ?? 0) > (two?.answerMs ?? 0), 'the slow one is known to be slow');
  const sinceMs = performance.now() - beganMs;
  assert.ok((one?.answerMs ?? 0) <= sinceMs, `${one?.answerMs} ms of ${sinceMs}`);
});
