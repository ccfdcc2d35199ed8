// The gateway over real sockets: raw clients on one side, scripted raw servers on the other.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import {
  closedPort,
  RawClient,
  rawExchange,
  serverState,
  startGateway,
  startHello,
  startRawServer,
  untilQuiet,
} from '../../test/support/gateway/builders.ts';

const GET = 'GET / HTTP/1.1\r\nHost: app\r\n\r\n';

function bodyOf(response: string): string {
  return response.slice(response.indexOf('\r\n\r\n') + 4);
}

test('forwards a request with our own forwarding fields and relays the answer', async (t) => {
  const server = await startHello(t);
  const { port } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port).send(
    'GET /a?b HTTP/1.1\r\nHost: App.example:80\r\nX-Forwarded-For: 6.6.6.6\r\nX-A: 1\r\n\r\n',
  );
  const text = await client.until((received) => received.endsWith('hello'));
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
  const request = server.received[0] ?? '';
  assert.match(request, /^GET \/a\?b HTTP\/1\.1\r\nHost: App\.example:80\r\n/);
  assert.match(request, /\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/);
  assert.match(request, /\r\nX-Forwarded-Proto: http\r\n/);
  assert.match(request, /\r\nX-Forwarded-Host: App\.example:80\r\n/);
  assert.match(request, /\r\nX-A: 1\r\n/);
  assert.doesNotMatch(request, /6\.6\.6\.6/);
});

test('keeps both sides alive over many requests', async (t) => {
  const server = await startHello(t);
  const { port, upstreams } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port);
  for (let count = 1; count <= 20; count += 1) {
    client.send(GET);
    await client.until((text) => text.split('hello').length === count + 1);
  }
  assert.equal(server.connections.length, 1);
  const app = upstreams.get('app');
  assert.equal(app?.counters.answered, 20);
  assert.equal(app?.servers[0]?.inFlight, 0);
});

test('answers pipelined requests in order, one at a time', async (t) => {
  const server = await startRawServer(t, (socket, received) => {
    // Later requests are answered quicker: order must come from the gateway.
    const targets = [...received.matchAll(/GET \/(\d+) /g)].map((match) => match[1] ?? '');
    const body = targets.at(-1) ?? '';
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  const { port } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port);
  const count = 30;
  let bytes = '';
  for (let index = 0; index < count; index += 1)
    bytes += `GET /${index} HTTP/1.1\r\nHost: a\r\n\r\n`;
  client.send(bytes);
  const text = await client.until((received) => received.endsWith(`\r\n\r\n${count - 1}`));
  const bodies = text.split('HTTP/1.1 200 OK').slice(1).map(bodyOf);
  assert.deepEqual(
    bodies,
    Array.from({ length: count }, (_, index) => String(index)),
  );
});

test('any split of the same bytes gives the same request', async (t) => {
  const request =
    '\r\nPOST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4;e=1\r\nWiki\r\n5\r\npedia\r\n0\r\nT: x\r\n\r\n';
  const server = await startRawServer(t, (socket, received) => {
    if (received.endsWith('0\r\n\r\n')) {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
    }
  });
  const { port } = await startGateway(t, [server.port]);
  for (let cut = 1; cut < request.length; cut += 1) {
    const client = new RawClient(t, port).send(request.slice(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    client.send(request.slice(cut));
    const text = await client.ended();
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/, `cut at ${cut}`);
    assert.equal(bodyOf(text), '3\r\nabc\r\n0\r\n\r\n', `cut at ${cut}`);
  }
  for (const received of server.received) {
    // One connection may carry several requests: every one has the same payload.
    for (const one of received.split('POST ').slice(1)) {
      const payload = bodyOf(one).replaceAll(/[0-9a-f]+\r\n(.*?)\r\n/gs, '$1');
      assert.equal(payload.replace('\r\n', ''), 'Wikipedia');
    }
  }
});

test('a half-closed client still gets its answer', async (t) => {
  const server = await startHello(t);
  const { port } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port).send(GET);
  client.socket.end();
  assert.match(await client.ended(), /hello$/);
});

test('half a body destroys the connection to the server, never completes it', async (t) => {
  const server = await startRawServer(t, () => {});
  const { port, upstreams } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port).send(
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf',
  );
  await server.until(() => server.received[0]?.endsWith('half') ?? false);
  const closed = new Promise((resolve) => server.connections[0]?.on('close', resolve));
  client.socket.end();
  await closed;
  await client.ended();
  assert.equal(upstreams.get('app')?.counters.clientGone, 1);
  assert.equal(upstreams.get('app')?.servers[0]?.inFlight, 0);
});

test('a connect failure is retried on another server, for every method', async (t) => {
  const server = await startHello(t);
  const dead = await closedPort();
  const { port, upstreams } = await startGateway(t, [
    serverState(dead, { maxFails: 0 }),
    server.port,
  ]);
  for (let round = 0; round < 4; round += 1) {
    const text = await rawExchange(
      t,
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    );
    assert.match(text, /hello$/);
  }
  assert.equal(upstreams.get('app')?.counters.retried, 2);
  assert.equal(upstreams.get('app')?.counters.lost, 0);
});

test('a request that goes on from two servers is one that was retried, and one of each of them', async (t) => {
  const dead = [await closedPort(), await closedPort()];
  const server = await startHello(t);
  const { port, upstreams } = await startGateway(t, [...dead, server.port]);
  const text = await rawExchange(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.match(text, /hello$/);
  const app = upstreams.get('app');
  assert.equal(app?.counters.retried, 1);
  assert.deepEqual(
    app.servers.map(({ counters }) => counters.retried),
    [1, 1, 0],
  );
});

test('a GET is retried when the server dies after it was sent, a POST never', async (t) => {
  const dying = await startRawServer(t, (socket) => socket.resetAndDestroy());
  const server = await startHello(t);
  const { port } = await startGateway(t, [
    serverState(dying.port, { maxFails: 0 }),
    serverState(server.port, { maxFails: 0 }),
  ]);
  const get = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  const post = 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi';
  const posts: string[] = [];
  for (let round = 0; round < 4; round += 1) {
    assert.match(await rawExchange(t, port, get), /hello$/);
    posts.push(await rawExchange(t, port, post), await rawExchange(t, port, post));
  }
  const failed = posts.filter((text) => text.startsWith('HTTP/1.1 502 '));
  assert.ok(failed.length >= 1, 'no POST met the dying server');
  assert.match(failed[0] ?? '', /no server gave a valid answer/);
  const sent = [...dying.received, ...server.received].join('').split('POST ').length - 1;
  assert.equal(sent, 8, 'a POST was sent twice');
});

test('a PUT body is replayed in full on the next server', async (t) => {
  const body = 'x'.repeat(100_000);
  const dying = await startRawServer(t, (socket, received) => {
    if (received.length > 50_000) socket.resetAndDestroy();
  });
  const server = await startRawServer(t, (socket, received) => {
    if (received.endsWith(body)) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  const { port } = await startGateway(t, [dying.port, server.port]);
  const text = await rawExchange(
    t,
    port,
    `PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  assert.match(text, /ok$/);
  assert.equal(bodyOf(server.received[0] ?? ''), body);
});

test('a kept-alive connection that died is replaced without blaming the server', async (t) => {
  const server = await startRawServer(t, (socket, received) => {
    if (received.split('GET ').length === 2) {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    } else socket.resetAndDestroy();
  });
  const { port, upstreams } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port);
  for (let round = 1; round <= 5; round += 1) {
    client.send(GET);
    await client.until((text) => text.split('\r\n\r\nok').length === round + 1);
  }
  assert.equal(upstreams.get('app')?.servers[0]?.fails, 0);
});

test('a POST is not lost to a kept-alive connection that the server has just closed', async (t) => {
  const server = await startHello(t);
  let laterMs = 0;
  const now = () => performance.now() + laterMs;
  const { port } = await startGateway(t, [server.port], {}, undefined, { now });
  const client = new RawClient(t, port);
  const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n';
  for (let round = 1; round <= 20; round += 1) {
    // Long enough for the connection to be looked at again before it is used.
    laterMs += 60;
    // Both reach the gateway in the same turn: the end of the connection, and a request for it.
    if (round % 2 === 0) server.connections.at(-1)?.resetAndDestroy();
    else server.connections.at(-1)?.end();
    client.send(post);
    await client.until((text) => text.split('\r\n\r\n').length === round + 1);
  }
  assert.equal(client.text.split('hello').length - 1, 20, 'a POST was answered with an error');
});

test('says 503 when no server is eligible and 502 when all failed, and nothing of what is behind', async (t) => {
  const dead = await closedPort();
  const first = await startGateway(t, [serverState(dead, { admin: 'drain' })]);
  const text = await rawExchange(
    t,
    first.port,
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  );
  assert.match(text, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  assert.match(text, /\r\nRetry-After: 5\r\n/);
  assert.equal(bodyOf(text), 'sluice: no server is available, please try again\n');
  assert.doesNotMatch(text, /X-Sluice-Reason|app|drain|127\.0/);
  const second = await startGateway(t, [dead]);
  const refused = await rawExchange(
    t,
    second.port,
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  );
  assert.match(refused, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
  assert.equal(bodyOf(refused), 'sluice: no server gave a valid answer\n');
  assert.doesNotMatch(refused, /Retry-After|app|127\.0|refused/);
});

test('says why in a field where the configuration asks for it', async (t) => {
  const dead = await closedPort();
  const { port, setServers } = await startGateway(t, [dead], { isReasonShown: true }, [
    { host: 'a', path: '/', upstream: 'app' },
    { host: 'b', path: '/', upstream: 'gone' },
  ]);
  const reasonAt = async (host: string): Promise<string> => {
    const text = await rawExchange(
      t,
      port,
      `HEAD / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    );
    return `${text.slice(9, 12)} ${/\r\nX-Sluice-Reason: (.*)\r\n/.exec(text)?.[1]}`;
  };
  assert.equal(await reasonAt('a'), `502 server 127.0.0.1:${dead} refused the connection`);
  setServers([serverState(dead, { admin: 'maint' }), serverState(1, { checks: 'down' })]);
  assert.equal(
    await reasonAt('a'),
    '503 upstream "app": no eligible server (1 maint, 1 down); see "sluice status app"',
  );
  assert.equal(await reasonAt('b'), '503 no upstream "gone"');
  assert.equal(await reasonAt('c'), '404 no route for this host and path');
});

test('cuts the client visibly when the server breaks off in the middle of a body', async (t) => {
  for (const framing of ['Content-Length: 10', 'Transfer-Encoding: chunked']) {
    const server = await startRawServer(t, (socket) => {
      const part = framing.startsWith('C') ? 'half' : '4\r\nhalf\r\n';
      socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n${part}`, () => socket.destroy());
    });
    const { port, upstreams } = await startGateway(t, [server.port]);
    const client = new RawClient(t, port).send(GET);
    const text = await client.ended();
    assert.doesNotMatch(text, /0\r\n\r\n$/);
    assert.equal(upstreams.get('app')?.counters.cut, 1);
    assert.equal(upstreams.get('app')?.counters.answered, 0);
  }
});

test('re-frames a close-delimited response: chunked for 1.1, to the close for 1.0', async (t) => {
  const server = await startRawServer(t, (socket) => {
    socket.end('HTTP/1.0 200 OK\r\n\r\nuntil the end');
  });
  const { port } = await startGateway(t, [server.port]);
  const modern = await rawExchange(
    t,
    port,
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  );
  assert.match(modern, /\r\nTransfer-Encoding: chunked\r\n/);
  assert.match(modern, /\r\n\r\nd\r\nuntil the end\r\n0\r\n\r\n$/);
  const old = await rawExchange(t, port, 'GET / HTTP/1.0\r\n\r\n');
  assert.doesNotMatch(old, /chunked/);
  assert.equal(bodyOf(old), 'until the end');
});

test('relays one 100 and the final answer to a client that expects it', async (t) => {
  const server = await startRawServer(t, (socket, received) => {
    if (received.endsWith('\r\n\r\n')) {
      socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n');
    }
    if (received.endsWith('body'))
      socket.write('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n');
  });
  const { port } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port).send(
    'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n',
  );
  await client.until((text) => text.includes('100 Continue\r\n\r\n'));
  client.send('body');
  const text = await client.ended();
  assert.equal(text.split('100 Continue').length, 2);
  assert.match(text, /201 Created/);
});

test('a final answer before the body is relayed, and the late body is not a request', async (t) => {
  const server = await startRawServer(t, (socket, received) => {
    if (received.includes('\r\n\r\n')) {
      socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n');
    }
  });
  const { port } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port).send(
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n',
  );
  await client.until((text) => text.includes('413'));
  client.send(GET + GET);
  const text = await client.ended();
  assert.equal(text.split('HTTP/1.1').length, 2);
  assert.match(text, /Connection: close/);
});

test('streams both ways at once', async (t) => {
  const server = await startRawServer(t, (socket, received) => {
    if (received.endsWith('ready\r\n')) {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    }
    socket.write(`1\r\n${received.at(-3) ?? '?'}\r\n`);
    if (received.endsWith('0\r\n\r\n')) socket.write('0\r\n\r\n');
  });
  const { port } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port).send(
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nready\r\n',
  );
  await client.until((text) => text.includes('1\r\ny\r\n'));
  client.send('1\r\nz\r\n');
  await client.until((text) => text.includes('1\r\nz\r\n'));
  client.send('0\r\n\r\n');
  assert.match(await client.ended(), /0\r\n\r\n$/);
});

test('back-pressure: a client that does not read stops the server, and memory stays bounded', async (t) => {
  const total = 64 * 1024 * 1024;
  let written = 0;
  const server = await startRawServer(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
    const piece = Buffer.alloc(1024 * 1024, 'x');
    const push = (): void => {
      while (written < total) {
        written += piece.length;
        if (!socket.write(piece)) return;
      }
    };
    socket.on('drain', push);
    push();
  });
  const { port } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port);
  client.socket.pause();
  client.send(GET);
  // The writes stop when every buffer on the way is full.
  await server.until(() => written > 0);
  await untilQuiet(() => written);
  assert.ok(written < total, `the server could write all ${written} bytes`);
  client.socket.removeAllListeners('data');
  let received = 0;
  await new Promise<void>((resolve) => {
    client.socket.on('data', (data: Buffer) => {
      received += data.length;
      if (received > total) resolve();
    });
    client.socket.resume();
  });
});

test('tunnels after a 101, glued bytes included, and not before', async (t) => {
  const server = await startRawServer(t, (socket, received) => {
    if (received.endsWith('\r\n\r\n')) {
      assert.doesNotMatch(received, /early/);
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nglued',
      );
    } else if (received.endsWith('early')) socket.write('pong');
  });
  const { port, upstreams } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port).send(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\nearly',
  );
  const text = await client.until((received) => received.endsWith('pong'));
  assert.match(text, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  assert.match(text, /Upgrade: websocket\r\n/);
  assert.match(text, /\r\n\r\ngluedpong$/);
  assert.equal(upstreams.get('app')?.servers[0]?.inFlight, 1, 'a tunnel counts as in flight');
  client.socket.end();
  await client.ended();
});

test('refuses a 101 that was not asked for, and never offers h2c', async (t) => {
  const server = await startRawServer(t, (socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
  });
  const { port } = await startGateway(t, [server.port]);
  const text = await rawExchange(
    t,
    port,
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n',
  );
  assert.match(text, /^HTTP\/1\.1 502 /);
  assert.doesNotMatch(server.received[0] ?? '', /upgrade/i);
});

test('bytes that nobody asked for never become an answer', async (t) => {
  const server = await startRawServer(t, (socket, received) => {
    const count = received.split('GET ').length - 1;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${count}`);
    if (count === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison');
  });
  const { port } = await startGateway(t, [server.port]);
  const client = new RawClient(t, port);
  for (let round = 1; round <= 6; round += 1) {
    client.send(GET);
    await client.until((text) => text.split('HTTP/1.1 200 OK').length === round + 1);
  }
  assert.doesNotMatch(client.text, /poison/);
});

test('times out a slow head with 408, an idle connection silently', async (t) => {
  const server = await startHello(t);
  const { port } = await startGateway(t, [server.port], {
    timeouts: { clientHeaderMs: 800, keepaliveMs: 800 },
  });
  assert.match(await rawExchange(t, port, 'GET / HT'), /^HTTP\/1\.1 408 /);
  assert.equal(await rawExchange(t, port, ''), '');
  const client = new RawClient(t, port).send(GET);
  await client.until((text) => text.endsWith('hello'));
  assert.match(await client.ended(), /hello$/);
});

test('times out a silent server with 504, a stalled body with a cut', async (t) => {
  const silent = await startRawServer(t, () => {});
  const stalled = await startRawServer(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  });
  const timeouts = { responseMs: 800, readMs: 800 };
  const first = await startGateway(t, [silent.port], { timeouts });
  assert.match(
    await rawExchange(t, first.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1\.1 504 /,
  );
  const second = await startGateway(t, [stalled.port], { timeouts });
  assert.match(await new RawClient(t, second.port).send(GET).ended(), /half$/);
  assert.equal(second.upstreams.get('app')?.counters.cut, 1);
});

test('times out a slow body with 408', async (t) => {
  const server = await startRawServer(t, () => {});
  const { port } = await startGateway(t, [server.port], { timeouts: { clientBodyMs: 150 } });
  const text = await rawExchange(
    t,
    port,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf',
  );
  assert.match(text, /^HTTP\/1\.1 408 /);
});

test('a drained server finishes what it has and gets nothing new', async (t) => {
  const slow = await startRawServer(t, () => {});
  const server = await startHello(t);
  const { port, setServers, upstreams } = await startGateway(t, [slow.port]);
  const client = new RawClient(t, port).send(GET);
  await slow.until(() => slow.received.length === 1 && (slow.received[0] ?? '') !== '');
  setServers([serverState(slow.port, { admin: 'drain' }), serverState(server.port)]);
  for (let round = 0; round < 4; round += 1) {
    assert.match(
      await rawExchange(t, port, GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')),
      /hello$/,
    );
  }
  assert.equal(upstreams.get('app')?.servers[0]?.inFlight, 1);
  slow.connections[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate');
  await client.until((text) => text.endsWith('late'));
  assert.equal(upstreams.get('app')?.servers[0]?.inFlight, 0);
});

test('close finishes what is in flight, refuses new connections and cuts at the deadline', async (t) => {
  const slow = await startRawServer(t, () => {});
  const { port, gateway } = await startGateway(t, [slow.port]);
  const client = new RawClient(t, port).send(GET);
  await slow.until(() => (slow.received[0] ?? '') !== '');
  const closed = gateway.close(10_000);
  slow.connections[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate');
  const text = await client.ended();
  client.socket.end();
  assert.match(text, /Connection: close/);
  assert.match(text, /late$/);
  await closed;
  const refused = new RawClient(t, port);
  await refused.ended();
  assert.equal(refused.error, 'ECONNREFUSED');
  const second = await startGateway(t, [slow.port]);
  const stuck = new RawClient(t, second.port).send(GET);
  await slow.until(() => slow.received.length === 2 && (slow.received[1] ?? '') !== '');
  await second.gateway.close(50);
  await stuck.ended();
});

test('an HTTP/1.0 client gets a close unless it asked for keep-alive', async (t) => {
  const server = await startHello(t);
  const { port } = await startGateway(t, [server.port]);
  assert.match(await rawExchange(t, port, 'GET / HTTP/1.0\r\n\r\n'), /hello$/);
  const client = new RawClient(t, port).send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  await client.until((text) => text.endsWith('hello'));
  client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  assert.match(
    await client.until((text) => text.split('hello').length === 3),
    /Connection: keep-alive/,
  );
});

test('routes by host, wildcard and path prefix on segment borders; else 404', async (t) => {
  const server = await startHello(t);
  const { port } = await startGateway(t, [server.port], {}, [
    { host: 'a.example', path: '/api', upstream: 'app' },
    { host: '*.w.example', path: '/', upstream: 'app' },
  ]);
  const status = async (host: string, path: string): Promise<string> => {
    const text = await rawExchange(
      t,
      port,
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    );
    return text.slice(9, 12);
  };
  assert.equal(await status('a.example', '/api'), '200');
  assert.equal(await status('A.example:80', '/api/x'), '200');
  assert.equal(await status('a.example', '/api?x'), '200');
  assert.equal(await status('a.example', '/apix'), '404');
  assert.equal(await status('x.w.example', '/'), '200');
  assert.equal(await status('w.example', '/'), '404');
  assert.equal(await status('b.example', '/'), '404');
  assert.equal(await status('a.example', '/%61pi/../api//y'), '200');
  assert.equal(await status('a.example', 'http://a.example//api/./x'), '200');
  assert.equal(await status('a.example', '/api/../y'), '404');
  assert.equal(await status('a.example', '/api/%zz'), '400');
  const targets = [...server.received.join('').matchAll(/^GET (\S+)/gm)].map(([, path]) => path);
  assert.deepEqual(targets, ['/api', '/api/x', '/api?x', '/', '/%61pi/../api//y', '//api/./x']);
});

test('many slow readers: every client gets its own bytes and nobody else’s', async (t) => {
  const bytes = 12_000_000;
  const count = 8;
  const bodyFor = (id: string): Buffer => Buffer.alloc(bytes, `[${id}]`, 'latin1');
  const server = await startRawServer(t, () => {});
  const { port } = await startGateway(t, [server.port]);
  const clients = Array.from({ length: count }, (_, index) => {
    // Ids of different length, so that swapped pieces cannot look alike.
    const id = '7'.repeat(index + 1);
    const socket = connect({ host: '127.0.0.1', port });
    t.after(() => socket.destroy());
    socket.write(`GET /${id} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    return { socket, id };
  });
  await server.until(() => server.received.filter((text) => text !== '').length === count);
  // All answers at once, and nobody reads: everything on the way runs full.
  for (const [index, socket] of server.connections.entries()) {
    const id = /GET \/(\d+) /.exec(server.received[index] ?? '')?.[1] ?? '';
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
    socket.write(bodyFor(id));
  }
  await untilQuiet(() =>
    server.connections.reduce((sum, { writableLength }) => sum + writableLength, 0),
  );
  await Promise.all(
    clients.map(async ({ socket, id }) => {
      const pieces: Buffer[] = [];
      for await (const piece of socket) pieces.push(piece);
      const response = Buffer.concat(pieces);
      const body = response.subarray(response.indexOf('\r\n\r\n') + 4);
      assert.equal(body.length, bytes);
      assert.ok(body.equals(bodyFor(id)), `client ${id} got foreign bytes`);
    }),
  );
});
