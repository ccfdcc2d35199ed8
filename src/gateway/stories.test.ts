// What the gateway tells of its requests, over real sockets.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  closedPort,
  type GatewayPatch,
  RawClient,
  rawExchange,
  serverState,
  startGateway,
  startHello,
  startRawServer,
  type TestGateway,
} from '../../test/support/gateway/builders.ts';
import type { Story } from '../model.ts';

function request(line: string, fields = ''): string {
  return `${line} HTTP/1.1\r\nHost: App.example:81\r\n${fields}Connection: close\r\n\r\n`;
}

function get(t: TestContext, { port }: TestGateway, target = '/', fields = ''): Promise<string> {
  return rawExchange(t, port, request(`GET ${target}`, fields));
}

/** The only story since the last look. */
function onlyStory({ gateway }: TestGateway): Story {
  const { stories, leftOut } = gateway.takeStories();
  const [story] = stories;
  assert.deepEqual([stories.length, leftOut], [1, 0]);
  assert(story !== undefined);
  return story;
}

function idOf(answer: string): string {
  return /\r\nX-Request-Id: ([^\r]+)\r\n/.exec(answer)?.[1] ?? '';
}

test('a retried request: both attempts, and why there was a second one', async (t) => {
  const dead = await closedPort();
  const server = await startHello(t);
  const app = await startGateway(t, [dead, server.port]);
  const before = Date.now();
  const answer = await get(t, app, '/a?token=s3cret', 'Authorization: s3cret\r\n');
  assert.match(answer, /^HTTP\/1\.1 200 /);
  const story = onlyStory(app);
  const { id, timeMs, waitMs, durationMs, attempts, ...rest } = story;
  assert.match(id, /^[0-9a-f]{24}$/);
  assert(timeMs >= before - 1 && timeMs <= Date.now() && waitMs !== null && waitMs <= durationMs);
  assert.deepEqual(rest, {
    ...{ kind: 'retried', upstream: 'app', route: '/', listener: 'test', client: '127.0.0.1' },
    ...{ method: 'GET', host: 'app.example', path: '/a?token=*', status: 200, madeBy: 'server' },
    ...{ bytesIn: 0, bytesOut: 5, result: 'answered', reason: '', detail: '', closedBy: '' },
    ...{ attemptsLeftOut: 0, notRetried: '', pool: [], traceId: '', clientId: '' },
  });
  const [failed, answered] = attempts;
  assert.equal(attempts.length, 2);
  assert.deepEqual(
    [failed?.server, failed?.status, failed?.headMs, failed?.stateThen, failed?.retried],
    [`127.0.0.1:${dead}`, 0, null, 'ok', true],
  );
  assert.match(failed?.failure ?? '', /refused the connection/);
  assert.deepEqual(
    [answered?.server, answered?.status, answered?.failure, answered?.retried],
    [`127.0.0.1:${server.port}`, 200, '', false],
  );
  assert(typeof answered?.connectMs === 'number' && typeof answered.headMs === 'number');
  assert.doesNotMatch(JSON.stringify(story), /s3cret|Authorization/);
});

test('a request that no server could take: the reason, and what each server was then', async (t) => {
  const app = await startGateway(t, [
    serverState(1, { admin: 'drain' }),
    serverState(2, { checks: 'down' }),
  ]);
  const answer = await get(t, app);
  assert.match(answer, /^HTTP\/1\.1 503 /);
  const story = onlyStory(app);
  assert.equal(story.id, idOf(answer), 'the client can say which request it was');
  assert.deepEqual(
    [story.kind, story.status, story.madeBy, story.reason, story.attempts.length],
    ['failed', 503, 'gateway', 'no_eligible_server', 0],
  );
  assert.match(story.detail, /\(1 drain, 1 down\)/);
  assert.deepEqual(story.pool, [
    { server: '127.0.0.1:1', stateThen: 'drain' },
    { server: '127.0.0.1:2', stateThen: 'down' },
  ]);
});

test('a server that fails: its failure in words, and that it closed', async (t) => {
  const server = await startRawServer(t, (socket) => socket.end());
  const app = await startGateway(t, [server.port]);
  await rawExchange(t, app.port, request('POST /', 'Content-Length: 3\r\n').concat('abc'));
  const { reason, closedBy, status, bytesIn, attempts, notRetried } = onlyStory(app);
  assert.match(notRetried, /^a POST that may have reached a server/);
  assert.deepEqual([reason, closedBy, status, bytesIn], ['closed_early', 'server', 502, 3]);
  assert.deepEqual([attempts.length, attempts[0]?.retried], [1, false]);
});

test("a server's own 500 is a story, its 404 is an ordinary answer", async (t) => {
  const server = await startRawServer(t, (socket, received) => {
    const status = received.startsWith('GET /500') ? '500 Oops' : '404 Not Found';
    socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
  });
  const app = await startGateway(t, [server.port]);
  const answer = await get(t, app, '/500');
  assert.equal(idOf(answer), '', "nothing is added to a server's answer");
  const { kind, madeBy, reason, attempts } = onlyStory(app);
  assert.deepEqual([kind, madeBy, reason], ['failed', 'server', 'server_error']);
  assert.equal(attempts[0]?.status, 500);
  await get(t, app, '/404');
  assert.equal(onlyStory(app).kind, 'slow');
});

test('a response that was cut, and a client that left', async (t) => {
  const server = await startRawServer(t, (socket, received) => {
    if (received.startsWith('GET /wait')) return;
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf');
  });
  const app = await startGateway(t, [server.port]);
  await get(t, app, '/cut');
  const cut = onlyStory(app);
  assert.deepEqual(
    [cut.result, cut.reason, cut.closedBy, cut.status, cut.bytesOut],
    ['cut', 'response_cut', 'server', 200, 4],
  );
  assert.match(cut.attempts[0]?.failure ?? '', /./);
  const client = new RawClient(t, app.port).send(request('GET /wait'));
  await server.until(() => server.received.some((text) => text.startsWith('GET /wait')));
  client.socket.resetAndDestroy();
  while (app.upstreams.get('app')?.counters.clientGone !== 1) await new Promise(setImmediate);
  const gone = onlyStory(app);
  assert.deepEqual(
    [gone.result, gone.reason, gone.closedBy, gone.status, gone.madeBy],
    ['clientGone', 'client_gone', 'client', 0, ''],
  );
  assert.equal(gone.attempts[0]?.server, `127.0.0.1:${server.port}`);
});

test('what comes to no server has a story, whatever bytes it was', async (t) => {
  const routes = [{ host: '', path: '/app', upstream: 'app' }];
  const app = await startGateway(t, [1], { limits: { bodyBytesMax: 2 } }, routes);
  const seen: unknown[] = [];
  const look = (answer: string): void => {
    const { id, status, reason, method, path, upstream } = onlyStory(app);
    assert.equal(id, idOf(answer));
    seen.push([status, reason, method, path, upstream]);
  };
  look(await get(t, app, '/none'));
  look(await get(t, app, `/app/${'p'.repeat(9000)}?token=s3cret`));
  look(await rawExchange(t, app.port, 'GE\x07T /\xff\x1b[2J?token=s3cret HTTP/1.1\r\n\r\n'));
  look(await rawExchange(t, app.port, request('POST /app', 'Content-Length: 3\r\n')));
  look(
    await rawExchange(
      t,
      app.port,
      request('POST /app', 'Transfer-Encoding: chunked\r\n').concat('1\r\nx\r\nzz'),
    ),
  );
  assert.deepEqual(seen, [
    [404, 'no_route', 'GET', '/none', ''],
    [414, 'request_refused', '', '', ''],
    [400, 'request_refused', '', '', ''],
    [413, 'request_refused', 'POST', '/app', ''],
    [400, 'request_refused', 'POST', '/app', ''],
  ]);
});

test('a body that is refused under way: the status that the client got', async (t) => {
  const server = await startRawServer(t, () => {});
  const app = await startGateway(t, [server.port]);
  const client = new RawClient(t, app.port);
  client.send(request('POST /', 'Transfer-Encoding: chunked\r\n').concat('1\r\nx\r\n'));
  await server.until(() => server.received.some((text) => text.includes('\r\nx\r\n')));
  const answer = await client.send('zz').ended();
  const { id, status, madeBy, reason, upstream, bytesIn } = onlyStory(app);
  assert.equal(id, idOf(answer));
  assert.deepEqual(
    [status, madeBy, reason, upstream, bytesIn],
    [400, 'gateway', 'request_refused', 'app', 1],
  );
});

test('a long row of attempts: the first and the last are told', async (t) => {
  const ports: number[] = [];
  while (ports.length < 12) ports.push(await closedPort());
  const app = await startGateway(t, [...new Set(ports)]);
  await get(t, app);
  const { attempts, attemptsLeftOut, reason, notRetried } = onlyStory(app);
  assert.equal(notRetried, 'no other server was eligible');
  assert.deepEqual(
    [reason, attempts.length, attemptsLeftOut],
    ['connect_refused', 8, new Set(ports).size - 8],
  );
});

test("a client's X-Request-Id: passed as it is, replaced, or taken", async (t) => {
  const server = await startHello(t);
  const sent = async (requestId: 'own' | 'send' | 'trust', line: string): Promise<string> => {
    const app = await startGateway(t, [server.port], { requestId });
    await get(t, app, '/', line);
    const { id } = onlyStory(app);
    const fields = server.received.at(-1)?.match(/^x.request.id: .*$/gim) ?? [];
    return fields.join().replaceAll(id, 'ID').replaceAll('\r', '');
  };
  const mine = 'X-Request-ID: mine\r\n';
  assert.equal(await sent('own', ''), '');
  assert.equal(await sent('own', mine), 'X-Request-ID: mine');
  assert.equal(await sent('send', ''), 'X-Request-Id: ID');
  assert.equal(await sent('send', mine), 'X-Request-Id: ID');
  assert.equal(await sent('send', 'X.Request.Id: mine\r\n'), 'X-Request-Id: ID');
  assert.equal(await sent('trust', ''), 'X-Request-Id: ID');
  for (const bad of ['a"b', 'a b', '\xe9', 'x'.repeat(129)]) {
    assert.equal(await sent('trust', `X-Request-Id: ${bad}\r\n`), 'X-Request-Id: ID', bad);
  }
  assert.equal(await sent('trust', mine + mine), 'X-Request-Id: ID', 'which of the two?');
  const app = await startGateway(t, [server.port], { requestId: 'trust' });
  await get(t, app, '/', mine);
  assert.equal(onlyStory(app).id, 'mine');
  assert.match(server.received.at(-1) ?? '', /\r\nX-Request-Id: mine\r\n/);
  const own = await startGateway(t, [server.port]);
  await get(t, own, '/', mine);
  const { id, clientId } = onlyStory(own);
  assert.deepEqual([id === 'mine', clientId], [false, 'mine']);
});

test('an ordinary request on a kept connection says that it needed no new one', async (t) => {
  const server = await startHello(t);
  const app = await startGateway(t, [server.port]);
  await get(t, app);
  await get(t, app);
  const { stories } = app.gateway.takeStories();
  const connects = stories.map(({ attempts }) => attempts[0]?.connectMs);
  assert.deepEqual([typeof connects[0], connects[1]], ['number', null]);
});

test('why no other server was asked is told', async (t) => {
  const [one, other] = [await closedPort(), await closedPort()];
  const why = async (patch: GatewayPatch): Promise<string> => {
    const app = await startGateway(t, [one, other], patch);
    await get(t, app);
    return onlyStory(app).notRetried;
  };
  assert.equal(await why({ tries: 1 }), 'proxy.tries is 1');
  assert.equal(await why({}), 'no other server was eligible');
  const bad = await startRawServer(t, (socket) => socket.end('no HTTP\r\n\r\n'));
  const app = await startGateway(t, [bad.port, one]);
  await get(t, app);
  assert.equal(onlyStory(app).notRetried, 'after such a failure no other server is asked');
});
