// TLS on a listener, by both transports, with node:tls and openssl as clients.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { after, type TestContext, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { recordingLog } from '../../test/support/base/recording-log.ts';
import { until } from '../../test/support/base/until.ts';
import {
  gatewayConfig,
  rawExchange,
  startGateway,
  startHello,
  startRawServer,
} from '../../test/support/gateway/builders.ts';
import {
  anyPair,
  credentialsOf,
  Maker,
  tlsSettings,
} from '../../test/support/gateway/certificates.ts';
import { TRANSPORTS } from '../../test/support/gateway/transports.ts';
import type { ListenerTls } from '../config.ts';
import type { TlsCredentials } from '../model.ts';
import type { Transport } from './transport.ts';

const maker = new Maker();
after(() => maker.close());
const [a, b, wild] = [
  maker.make({ names: ['a.example'] }),
  maker.make({ names: ['b.example', 'c.example'] }),
  maker.make({ names: ['*.example'] }),
];
const REQUEST = 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n';

type Start = {
  readonly tls?: Partial<ListenerTls>;
  readonly credentials?: TlsCredentials;
  readonly transport: Transport;
};

async function start(t: TestContext, { tls, credentials = credentialsOf(), transport }: Start) {
  const hello = await startHello(t);
  const listener = { id: 'test', host: '127.0.0.1', port: 0, tls: tlsSettings(tls) };
  const { log, lines } = recordingLog();
  const started = await startGateway(t, [hello.port], { listen: [listener] }, undefined, {
    ...{ transport, credentials, log },
  });
  return { ...started, listener, lines, hello };
}

async function dial(
  t: TestContext,
  port: number,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

/** All that comes back. */
async function ask(socket: TLSSocket, text = REQUEST): Promise<string> {
  let got = '';
  socket.on('data', (data) => {
    got += String(data);
  });
  socket.write(text);
  await once(socket, 'close');
  return got;
}

/** Why there is no connection. */
async function refused(port: number, options: ConnectionOptions): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  socket.on('secureConnect', () => assert.fail('it got in'));
  const [error]: NodeJS.ErrnoException[] = await once(socket, 'error');
  return error?.code ?? '';
}

for (const [name, transport] of TRANSPORTS) {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${name}: a request over ${version}`, async (t) => {
      const { port, hello } = await start(t, { transport });
      const socket = await dial(t, port, { minVersion: version, maxVersion: version });
      assert.equal(socket.getProtocol(), version);
      assert.match(await ask(socket), /^HTTP\/1\.1 200 .*hello$/s);
      assert.match(hello.received.join(''), /X-Forwarded-Proto: https\r\n/);
    });
  }

  test(`${name}: older versions and weak ciphers are refused`, async (t) => {
    const { port } = await start(t, { transport });
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
      assert.match(await refused(port, old), /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/);
    }
    const weak = { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:ECDHE-ECDSA-AES128-SHA' } as const;
    assert.match(await refused(port, weak), /HANDSHAKE_FAILURE/);
  });

  test(`${name}: min_version 1.3 is the least then`, async (t) => {
    const { port } = await start(t, { transport, tls: { minVersion: '1.3' } });
    assert.match(await refused(port, { maxVersion: 'TLSv1.2' }), /PROTOCOL_VERSION/);
    await dial(t, port);
  });

  test(`${name}: each name has its certificate`, async (t) => {
    const { port } = await start(t, { transport, credentials: credentialsOf([a, b, wild]) });
    const shown = async (servername: string): Promise<string> => {
      const socket = await dial(t, port, servername === '' ? {} : { servername });
      return socket.getPeerCertificate().subject.CN?.toString() ?? '';
    };
    assert.equal(await shown('a.example'), 'a.example');
    assert.equal(await shown('C.Example'), 'b.example');
    assert.equal(await shown('x.example'), '*.example');
    assert.equal(await shown('x.y.example'), 'a.example', 'a star is one label');
    assert.equal(await shown('other.test'), 'a.example', 'the first for who names nothing known');
    assert.equal(await shown(''), 'a.example');
  });

  test(`${name}: unknown names are turned away where it is configured`, async (t) => {
    const { port, gateway } = await start(t, {
      ...{ transport, credentials: credentialsOf([a]) },
      tls: { unknownNames: 'refuse' },
    });
    assert.match(await refused(port, { servername: 'other.test' }), /UNRECOGNIZED_NAME/);
    await dial(t, port, { servername: 'a.example' });
    await dial(t, port);
    assert.equal(gateway.figures().tlsFailures, 1);
  });

  test(`${name}: EC and RSA for one name serve both kinds of client`, async (t) => {
    const rsa = maker.make({ names: ['a.example'], kind: 'rsa' });
    const { port } = await start(t, { transport, credentials: credentialsOf([a, rsa]) });
    for (const [kind, ciphers] of [
      ['EC', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
      ['RSA', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ] as const) {
      const socket = await dial(t, port, { maxVersion: 'TLSv1.2', ciphers });
      const shown = socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType;
      assert.equal(shown, kind.toLowerCase());
    }
  });

  test(`${name}: http/1.1 is agreed on, and nothing else`, async (t) => {
    const { port } = await start(t, { transport });
    const socket = await dial(t, port, { ALPNProtocols: ['h2', 'http/1.1'] });
    assert.equal(socket.alpnProtocol, 'http/1.1');
    assert.equal((await dial(t, port)).alpnProtocol, false);
    assert.match(await refused(port, { ALPNProtocols: ['h2'] }), /NO_APPLICATION_PROTOCOL/);
  });

  test(`${name}: plain HTTP and noise are answered or closed, counted, and said once`, async (t) => {
    const { port, gateway, lines } = await start(t, { transport });
    const plain = await rawExchange(t, port, 'OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.match(plain, /^HTTP\/1\.1 400 .*plain HTTP\n$/s);
    await rawExchange(t, port, '\x16\x09\x09\x00\x05noise that is no hello');
    await until(() => gateway.figures().tlsFailures === 2);
    gateway.destroy();
    const said = lines.filter(({ message }) => message === 'TLS handshakes failed');
    assert.equal(said.length, 1);
  });

  test(`${name}: a hello byte by byte, half a handshake, a reset in the middle`, async (t) => {
    const { port, gateway } = await start(t, { transport });
    let hello = Buffer.alloc(0);
    const catcher = connectPlain(port, '127.0.0.1');
    t.after(() => catcher.destroy());
    // The bytes of a real client, sent one by one.
    const { Duplex } = await import('node:stream');
    const pipe = new Duplex({
      read() {},
      write(chunk: Buffer, _, done) {
        const send = async (): Promise<void> => {
          hello = Buffer.concat([hello, chunk]);
          for (const byte of chunk) {
            catcher.write(Buffer.from([byte]));
            await new Promise((resolve) => setImmediate(resolve));
          }
        };
        send().then(() => done(), done);
      },
    });
    catcher.setNoDelay(true);
    catcher.on('data', (data) => pipe.push(data));
    catcher.on('end', () => pipe.push(null));
    const slow = connect({ socket: pipe, rejectUnauthorized: false });
    await once(slow, 'secureConnect');
    let got = '';
    slow.on('data', (data) => {
      got += String(data);
    });
    slow.write(REQUEST);
    await until(() => got.endsWith('hello'));
    for (const end of ['end', 'resetAndDestroy'] as const) {
      const half = connectPlain(port, '127.0.0.1');
      half.on('error', () => {});
      half.write(hello.subarray(0, 100));
      await until(() => gateway.connections() > 0);
      await new Promise((resolve) => setTimeout(resolve, 10));
      half[end]();
      await until(() => gateway.connections() === 0);
      half.destroy();
    }
  });

  test(`${name}: a client that shakes no hands is let go by client_header_timeout`, async (t) => {
    const hello = await startHello(t);
    const listener = { id: 'test', host: '127.0.0.1', port: 0, tls: tlsSettings() };
    const patch = { listen: [listener], timeouts: { clientHeaderMs: 100 } };
    const options = { transport, credentials: credentialsOf() };
    const { port, gateway } = await startGateway(t, [hello.port], patch, undefined, options);
    const silent = connectPlain(port, '127.0.0.1');
    const begun = connectPlain(port, '127.0.0.1').on('error', () => {});
    begun.write('\x16\x03\x01', 'latin1');
    await Promise.all([once(silent.resume(), 'close'), once(begun.resume(), 'close')]);
    assert.equal(gateway.connections(), 0);
  });

  test(`${name}: one client too many gets its 503 over TLS`, async (t) => {
    const hello = await startHello(t);
    const listener = { id: 'test', host: '127.0.0.1', port: 0, tls: tlsSettings() };
    const patch = { listen: [listener], limits: { connectionsMax: 1 } };
    const options = { transport, credentials: credentialsOf() };
    const { port } = await startGateway(t, [hello.port], patch, undefined, options);
    await dial(t, port);
    assert.match(await ask(await dial(t, port), ''), /^HTTP\/1\.1 503 /);
  });

  test(`${name}: other certificates are for who comes then`, async (t) => {
    const { port, gateway, listener } = await start(t, {
      transport,
      credentials: credentialsOf([a]),
    });
    const first = await dial(t, port);
    gateway.useCredentials(credentialsOf([b]));
    const second = await dial(t, port);
    assert.equal(second.getPeerCertificate().subject.CN, 'b.example');
    assert.match(await ask(first), /hello$/, 'the other one goes on');
    const tls = tlsSettings({ minVersion: '1.3', hsts: 'max-age=5' });
    gateway.configure(gatewayConfig({ listen: [{ ...listener, tls }] }));
    assert.match(await refused(port, { maxVersion: 'TLSv1.2' }), /PROTOCOL_VERSION/);
    assert.match(await ask(await dial(t, port)), /Strict-Transport-Security: max-age=5\r\n/);
  });

  test(`${name}: forty changes of certificates under load lose nobody`, async (t) => {
    const { port, gateway, listener } = await start(t, {
      ...{ transport, credentials: credentialsOf([a, b]) },
    });
    let isOver = false;
    let count = 0;
    const come = async (): Promise<void> => {
      while (!isOver) {
        assert.match(await ask(await dial(t, port, { servername: 'b.example' })), /hello$/);
        count += 1;
      }
    };
    const kept = await dial(t, port);
    const coming = Promise.all(Array.from({ length: 8 }, come));
    for (let change = 0; change < 40; change += 1) {
      gateway.useCredentials(credentialsOf(change % 2 === 0 ? [b, wild] : [a, b]));
      const tls = tlsSettings({ minVersion: change % 3 === 0 ? '1.3' : '1.2' });
      gateway.configure(gatewayConfig({ listen: [{ ...listener, tls }] }));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    isOver = true;
    await coming;
    assert(count > 20, `${count} requests`);
    assert.equal(gateway.figures().tlsFailures, 0);
    assert.match(await ask(kept), /hello$/);
  });

  test(`${name}: a listener takes TLS on, and off again, where it is`, async (t) => {
    const hello = await startHello(t);
    const plain = { id: 'test', host: '127.0.0.1', port: 0 };
    const options = { transport, credentials: credentialsOf() };
    const began = await startGateway(t, [hello.port], { listen: [plain] }, undefined, options);
    const { port, gateway } = began;
    assert.match(await rawExchange(t, port, REQUEST), /hello$/);
    gateway.configure(gatewayConfig({ listen: [{ ...plain, tls: tlsSettings() }] }));
    assert.match(await ask(await dial(t, port)), /hello$/);
    gateway.configure(gatewayConfig({ listen: [plain] }));
    assert.match(await rawExchange(t, port, REQUEST), /hello$/);
  });

  test(`${name}: without credentials nobody gets in`, async (t) => {
    const { port } = await start(t, {
      transport,
      credentials: { listeners: {}, upstreams: {}, ticketKeys: [] },
    });
    const socket = connectPlain(port, '127.0.0.1').on('error', () => {});
    await once(socket.resume(), 'close');
  });

  test(`${name}: hsts stands in every answer, also in our own`, async (t) => {
    const { port, setServers } = await start(t, { transport, tls: { hsts: 'max-age=300' } });
    const has = /^HTTP\/1\.1 \d+ .*\r\nStrict-Transport-Security: max-age=300\r\n/s;
    assert.match(await ask(await dial(t, port)), has);
    assert.match(await ask(await dial(t, port), 'NO HTTP\r\n\r\n'), has);
    setServers([]);
    assert.match(await ask(await dial(t, port)), has);
  });

  test(`${name}: a large body both ways`, async (t) => {
    const { port } = await start(t, { transport });
    const socket = await dial(t, port);
    const size = 3_000_000;
    socket.write(
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\nConnection: close\r\n\r\n`,
    );
    const answered = ask(socket, 'x'.repeat(size));
    assert.match(await answered, /hello$/);
  });

  test(`${name}: a tunnel, and its end from either side`, async (t) => {
    const listener = { id: 'test', host: '127.0.0.1', port: 0, tls: tlsSettings() };
    const server = await startRawServer(t, (socket, received) => {
      if (received.endsWith('\r\n\r\n')) {
        socket.write('HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
      } else socket.write(`echo ${received.split('\r\n\r\n')[1]}`);
    });
    const options = { transport, credentials: credentialsOf() };
    const { port } = await startGateway(
      t,
      [server.port],
      { listen: [listener] },
      undefined,
      options,
    );
    const upgrade =
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n';
    for (const endedBy of ['client', 'server'] as const) {
      const socket = await dial(t, port);
      let got = '';
      socket.on('data', (data) => {
        got += String(data);
      });
      socket.write(upgrade);
      await until(() => got.includes('\r\n\r\n'));
      socket.write('frame');
      await until(() => got.endsWith('echo frame'));
      if (endedBy === 'client') socket.end();
      else server.connections.at(-1)?.end();
      await once(socket, 'end');
      socket.destroy();
    }
  });

  test(`${name}: what was written last arrives before a close over unread bytes`, async (t) => {
    const { port } = await start(t, { transport });
    const socket = await dial(t, port);
    // Refused, while more of it is still on its way.
    const answer = await ask(socket, `BAD\r\n\r\n${'x'.repeat(500_000)}`);
    assert.match(answer, /^HTTP\/1\.1 400 /);
  });

  test(`${name}: a session is resumed in another gateway with the same keys, and with an older one`, async (t) => {
    const keys = [48, 48].map((bytes, at) => Buffer.alloc(bytes, at + 1).toString('base64'));
    const [first = '', second = ''] = keys;
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const one = await start(t, {
        transport,
        credentials: credentialsOf([a], { ticketKeys: [first] }),
      });
      const later = credentialsOf([a], { ticketKeys: [second, first] });
      const other = await start(t, { transport, credentials: later });
      const stranger = await start(t, {
        transport,
        credentials: credentialsOf([a], { ticketKeys: [second] }),
      });
      const options = { minVersion: version, maxVersion: version, servername: 'a.example' };
      const socket = connect({
        host: '127.0.0.1',
        port: one.port,
        rejectUnauthorized: false,
        ...options,
      });
      const sessions: Buffer[] = [];
      socket.on('session', (session) => sessions.push(session));
      await ask(socket);
      const session = sessions.at(-1);
      assert(session !== undefined);
      assert.equal((await dial(t, other.port, { ...options, session })).isSessionReused(), true);
      assert.equal(
        (await dial(t, stranger.port, { ...options, session })).isSessionReused(),
        false,
      );
    }
  });
}

test('a hello takes no certificate of a name that is like one of the prototype', async (t) => {
  const [, transport] = TRANSPORTS[0] ?? [];
  assert(transport !== undefined);
  const { port } = await start(t, { transport, credentials: credentialsOf([anyPair(), a]) });
  const socket = await dial(t, port, { servername: 'constructor' });
  assert.match(await ask(socket), /hello$/);
});

test('a thousand idle clients, and each is still served', async (t) => {
  const [, transport] = TRANSPORTS[0] ?? [];
  assert(transport !== undefined);
  const { port, gateway } = await start(t, { transport });
  const sockets: TLSSocket[] = [];
  while (sockets.length < 1000) {
    const some = Array.from({ length: 50 }, () => dial(t, port));
    sockets.push(...(await Promise.all(some)));
  }
  assert.equal(gateway.connections(), 1000);
  assert.match(await ask(sockets[500] ?? assert.fail()), /hello$/);
  for (const socket of sockets) socket.destroy();
  await until(() => gateway.connections() === 0);
});
