// TLS to servers, by both transports, with servers of node:tls and node:https.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import {
  type AddressInfo,
  connect as connectPlain,
  createServer as createTcp,
  type Socket,
} from 'node:net';
import { after, type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { rawExchange, serverState, startGateway } from '../../test/support/gateway/builders.ts';
import { type MadePair, Maker } from '../../test/support/gateway/certificates.ts';
import { TRANSPORTS } from '../../test/support/gateway/transports.ts';
import type { UpstreamTls } from '../config.ts';
import type { ServerCredentials, TlsCredentials } from '../model.ts';
import type { Transport } from './transport.ts';

const maker = new Maker();
after(() => maker.close());
const good = maker.make({ names: ['app.internal', '127.0.0.1'] });
const other = maker.make({ names: ['other.internal'] });
const expired = maker.make({ names: ['app.internal', '127.0.0.1'], days: -1 });
const clients = maker.make({ names: [], common: 'gateway' });

const SETTINGS: UpstreamTls = {
  ...{ ca: '', cert: '', key: '', serverName: '', verify: true, minVersion: '1.2' },
};
const GET = 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n';
const POST =
  'POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi';

function credentialsOf(part: Partial<ServerCredentials> = {}): TlsCredentials {
  const app = { ca: good.cert, cert: '', key: '', ...part };
  return { listeners: {}, upstreams: { app }, ticketKeys: [] };
}

type Served = {
  readonly port: number;
  readonly sockets: TLSSocket[];
  /** Of each request. */
  readonly hosts: string[];
};

async function serve(t: TestContext, pair: MadePair, options: ServerOptions = {}): Promise<Served> {
  const sockets: TLSSocket[] = [];
  const hosts: string[] = [];
  const server = createServer(
    { cert: pair.cert, key: pair.key, ...options },
    (request, response) => {
      hosts.push(`${request.headers.host} ${request.headers['x-forwarded-proto']}`);
      request.resume().on('end', () => response.end('hello'));
    },
  );
  server.on('upgrade', (_, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    );
    socket.pipe(socket);
  });
  server.on('secureConnection', (socket) => void sockets.push(socket));
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { port: (server.address() as AddressInfo).port, sockets, hosts };
}

async function startSecured(
  t: TestContext,
  port: number,
  options: {
    readonly transport: Transport;
    readonly settings?: Partial<UpstreamTls>;
    readonly credentials?: TlsCredentials;
    readonly connectMs?: number;
    readonly host?: string;
  },
) {
  const {
    transport,
    settings,
    credentials = credentialsOf(),
    connectMs = 5000,
    host = '127.0.0.1',
  } = options;
  const patch = {
    upstreamTls: { app: { ...SETTINGS, ...settings } },
    timeouts: { connectMs },
    isReasonShown: true,
  };
  return startGateway(t, [serverState(port, { host })], patch, undefined, {
    transport,
    credentials,
  });
}

async function tcpServer(t: TestContext, serveIt: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTcp((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serveIt(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

for (const [name, transport] of TRANSPORTS) {
  test(`${name}: requests go over TLS, on connections that are kept, with Host and X-Forwarded-Proto as ever`, async (t) => {
    const server = await serve(t, good);
    const { port } = await startSecured(t, server.port, { transport });
    for (const text of [GET, POST, GET])
      assert.match(await rawExchange(t, port, text), /^HTTP\/1\.1 200 OK\r\n[\s\S]*hello$/);
    assert.deepEqual(
      server.hosts,
      Array.from({ length: 3 }, () => 'a.example http'),
    );
    assert.equal(server.sockets.length, 1);
    assert.equal(server.sockets[0]?.alpnProtocol, 'http/1.1');
  });

  test(`${name}: the server is told the name that its certificate must be for`, async (t) => {
    const asked: string[] = [];
    const options: ServerOptions = {
      SNICallback: (servername, done) => {
        asked.push(servername);
        done(null);
      },
    };
    const server = await serve(t, good, options);
    const named = await startSecured(t, server.port, {
      transport,
      settings: { serverName: 'app.internal' },
    });
    assert.match(await rawExchange(t, named.port, GET), /^HTTP\/1\.1 200 /);
    const byHost = await startSecured(t, server.port, { transport, host: 'app.internal' });
    assert.match(await rawExchange(t, byHost.port, GET), /^HTTP\/1\.1 200 /);
    assert.deepEqual(asked, ['app.internal', 'app.internal'], 'an address names nothing');
  });

  const WRONG: readonly (readonly [string, MadePair, ServerOptions, RegExp])[] = [
    ['has expired', expired, {}, /its certificate has expired \(CERT_HAS_EXPIRED\)/],
    [
      'is for other names',
      other,
      {},
      /its certificate is for other names .*ERR_TLS_CERT_ALTNAME_INVALID/,
    ],
    ['is of an unknown authority', good, {}, /self-signed, and not in tls\.ca/],
    [
      'is of too old a version',
      good,
      { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      /over TLS: it (?:speaks|refused)/,
    ],
  ];
  for (const [what, pair, options, reason] of WRONG) {
    test(`${name}: no request is sent to a server whose TLS ${what}, and the reason says so`, async (t) => {
      const server = await serve(t, pair, options);
      const isUnknown = what === 'is of an unknown authority';
      const credentials = credentialsOf({ ca: isUnknown ? other.cert : pair.cert });
      const it = await startSecured(t, server.port, { transport, credentials });
      for (const text of [GET, POST]) {
        const answer = await rawExchange(t, it.port, text);
        assert.match(answer, /^HTTP\/1\.1 502 /);
        assert.match(answer, reason);
      }
      assert.deepEqual(server.hosts, []);
      const [found] = it.upstreams.get('app')?.servers ?? [];
      assert.equal(found?.counters.failures, 2);
    });
  }

  test(`${name}: with verify off any certificate will do`, async (t) => {
    const server = await serve(t, other);
    const { port } = await startSecured(t, server.port, { transport, settings: { verify: false } });
    assert.match(await rawExchange(t, port, GET), /^HTTP\/1\.1 200 /);
  });

  test(`${name}: a server on plain HTTP, and one that closes in the handshake, are named`, async (t) => {
    const http = createHttp((_, response) => response.end('plain')).listen(0, '127.0.0.1');
    await once(http, 'listening');
    t.after(() => http.close());
    const plain = await startSecured(t, (http.address() as AddressInfo).port, { transport });
    assert.match(await rawExchange(t, plain.port, GET), /it does not speak TLS on this port/);
    const closing = await tcpServer(t, (socket) => socket.once('data', () => socket.destroy()));
    const closed = await startSecured(t, closing, { transport });
    assert.match(
      await rawExchange(t, closed.port, GET),
      /it closed the connection in the handshake/,
    );
  });

  test(`${name}: a handshake has the time of connect_timeout, and says what it was that took too long`, async (t) => {
    const silent = await tcpServer(t, (socket) => socket.resume());
    const { port } = await startSecured(t, silent, { transport, connectMs: 200 });
    const answer = await rawExchange(t, port, GET);
    assert.match(answer, /^HTTP\/1\.1 504 /);
    assert.match(answer, /did not finish the TLS handshake in time/);
  });

  test(`${name}: nobody is spoken to in the open where TLS cannot be`, async (t) => {
    let bytes = 0;
    const server = await tcpServer(t, (socket) =>
      socket.on('data', (data) => {
        bytes += data.length;
      }),
    );
    const credentials: TlsCredentials = { listeners: {}, upstreams: {}, ticketKeys: [] };
    const it = await startSecured(t, server, { transport, credentials });
    assert.match(await rawExchange(t, it.port, GET), /^HTTP\/1\.1 503 [\s\S]*no certificates here/);
    assert.equal(bytes, 0);
    assert.equal(it.upstreams.get('app')?.servers[0]?.counters.failures, 0, 'it is not to blame');
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${name}: our certificate is shown, and a session is gone on with (${version})`, async (t) => {
      const options = {
        ...{ requestCert: true, rejectUnauthorized: true, ca: [clients.cert] },
        ...{ minVersion: version, maxVersion: version },
      };
      const server = await serve(t, good, options);
      const { cert, key } = clients;
      const credentials = credentialsOf({ cert, key });
      const it = await startSecured(t, server.port, { transport, credentials });
      assert.match(await rawExchange(t, it.port, GET), /^HTTP\/1\.1 200 /);
      assert.equal(server.sockets[0]?.getPeerCertificate().subject.CN, 'gateway');
      const [first] = server.sockets;
      first?.destroy();
      while (it.gateway.figures().upstreams.some(({ idle }) => idle > 0)) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.match(await rawExchange(t, it.port, GET), /^HTTP\/1\.1 200 /);
      assert.equal(server.sockets[1]?.isSessionReused(), true);
      const without = await startSecured(t, server.port, { transport });
      assert.match(await rawExchange(t, without.port, GET), /^HTTP\/1\.1 502 /);
    });
  }

  test(`${name}: other authorities count at once, also for kept connections and sessions`, async (t) => {
    const server = await serve(t, good);
    const it = await startSecured(t, server.port, { transport });
    assert.match(await rawExchange(t, it.port, GET), /^HTTP\/1\.1 200 /);
    it.gateway.useCredentials(credentialsOf({ ca: other.cert }));
    assert.match(await rawExchange(t, it.port, GET), /^HTTP\/1\.1 502 /);
    it.gateway.useCredentials(credentialsOf());
    assert.match(await rawExchange(t, it.port, GET), /^HTTP\/1\.1 200 /);
    assert.ok(server.sockets.length >= 2, 'the first connection was not used again');
    assert.equal(server.sockets.at(-1)?.isSessionReused(), false);
  });

  test(`${name}: a WebSocket goes through`, async (t) => {
    const server = await serve(t, good);
    const { port } = await startSecured(t, server.port, { transport });
    const client = connectPlain(port, '127.0.0.1');
    t.after(() => client.destroy());
    let got = '';
    client.on('data', (data) => {
      got += String(data);
      if (got.endsWith('\r\n\r\n')) client.write('ping');
      if (got.endsWith('ping')) client.end();
    });
    client.write(
      'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    await once(client, 'close');
    assert.match(got, /^HTTP\/1\.1 101 [\s\S]*ping$/);
  });

  test(`${name}: bodies of megabytes come whole, both ways, past a slow client`, async (t) => {
    const body = Buffer.alloc(4_000_000, 'x');
    const server = createServer({ cert: good.cert, key: good.key }, (request, response) => {
      let bytes = 0;
      request.on('data', (data) => {
        bytes += data.length;
      });
      request.on('end', () => response.end(Buffer.concat([body, Buffer.from(` ${bytes}`)])));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close().closeAllConnections());
    const { port } = await startSecured(t, (server.address() as AddressInfo).port, { transport });
    const client = connectPlain(port, '127.0.0.1');
    t.after(() => client.destroy());
    client.write(
      `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    client.write(body);
    let bytes = 0;
    let last = '';
    client.on('data', (data) => {
      bytes += data.length;
      last = (last + String(data)).slice(-20);
      client.pause();
      setImmediate(() => client.resume());
    });
    await once(client, 'close');
    assert.ok(bytes > body.length);
    assert.ok(last.endsWith(` ${body.length}`), last);
  });
}
