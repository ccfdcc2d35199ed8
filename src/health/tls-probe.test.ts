// Probes over TLS, of servers of node:tls and of such that are none.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { type MadePair, Maker } from '../../test/support/gateway/certificates.ts';
import { startProbe } from './probe.ts';
import type { ProbeSpec, ProbeTls } from './spec.ts';

const maker = new Maker();
after(() => maker.close());
const good = maker.make({ names: ['app.internal', '127.0.0.1'] });
const other = maker.make({ names: ['other.internal'] });
const expired = maker.make({ names: ['127.0.0.1'], days: -1 });
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close());
  return (server.address() as AddressInfo).port;
}

function answering(
  pair: MadePair,
  options: TlsOptions = {},
  onSocket = (_: TLSSocket) => {},
): Server {
  const server = createServer({ cert: pair.cert, key: pair.key, ...options }, (socket) => {
    onSocket(socket);
    socket.on('error', () => {});
    socket.once('data', () => socket.end(OK));
  });
  server.on('tlsClientError', () => {});
  return server;
}

type Part = Partial<Omit<ProbeSpec, 'tls'>> & {
  readonly tls?: Partial<ProbeTls>;
  readonly host?: string;
  readonly nowMs?: number;
};

function probe(
  port: number,
  { tls, host = '127.0.0.1', nowMs = 0, ...part }: Part,
): Promise<string> {
  const spec: ProbeSpec = {
    ...{
      type: 'https',
      timeoutMs: 60_000,
      port: 0,
      send: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
      reads: 'answer',
    },
    expect: ['http_2xx'],
    ...part,
    tls: {
      ...{
        ca: good.files.cert,
        cert: '',
        key: '',
        serverName: '',
        verify: true,
        minVersion: '1.2',
      },
      ...tls,
    },
  };
  return new Promise((resolve) => {
    startProbe({
      ...{ id: `${host}:${port}`, host, port, spec },
      ...{ addresses: ['127.0.0.1'], watch: { stalledMs: () => 0 }, now: () => nowMs },
      onEnd: ({ outcome, reason }) => resolve(`${outcome}: ${reason}`),
    });
  });
}

test('https: a whole answer of a server that proves its address, or its name', async (t) => {
  const names: (string | false | null)[] = [];
  const port = await listen(
    t,
    answering(good, {}, ({ servername }) => names.push(servername ?? null)),
  );
  assert.match(await probe(port, {}), /^pass: 200 in /);
  assert.match(await probe(port, { host: 'app.internal' }), /^pass: 200 in /);
  assert.match(await probe(port, { tls: { serverName: 'app.internal' } }), /^pass: 200 in /);
  assert.deepEqual(names, [false, 'app.internal', 'app.internal']);
});

test('tls: a handshake alone, without a byte of a request', async (t) => {
  let bytes = 0;
  const server = answering(good, {}, (socket) =>
    socket.on('data', ({ length }) => {
      bytes += length;
    }),
  );
  const port = await listen(t, server);
  assert.match(await probe(port, { type: 'tls' }), /^pass: handshake in /);
  assert.equal(bytes, 0);
});

for (const type of ['https', 'tls'] as const) {
  test(`${type}: a certificate that is not good fails, and the reason says why`, async (t) => {
    const cases = [
      [expired, { ca: expired.files.cert }, /^fail: TLS: its certificate has expired/],
      [other, { ca: other.files.cert }, /^fail: TLS: its certificate is for other names/],
      [other, {}, /^fail: TLS: its certificate is self-signed, and not in tls\.ca/],
      [other, { verify: false }, /^pass: /],
      [other, { ca: other.files.cert, serverName: 'other.internal' }, /^pass: /],
    ] as const;
    for (const [pair, tls, expected] of cases) {
      const port = await listen(t, answering(pair));
      assert.match(await probe(port, { type, tls }), expected);
    }
  });

  test(`${type}: plain HTTP, a close in the handshake, silence, and nobody are told apart`, async (t) => {
    const plain = createTcp((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    });
    assert.match(
      await probe(await listen(t, plain), { type }),
      /^fail: TLS: it does not speak TLS on this port/,
    );
    const closing = createTcp((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end());
    });
    assert.match(
      await probe(await listen(t, closing), { type }),
      /^fail: TLS: it closed the connection in the handshake/,
    );
    const silent = createTcp((socket) => void socket.on('error', () => {}).resume());
    const at = await listen(t, silent);
    assert.equal(await probe(at, { type, timeoutMs: 200 }), 'fail: no TLS handshake within 200ms');
    const gone = createTcp();
    const free = await listen(t, gone);
    gone.close();
    await once(gone, 'close');
    assert.equal(await probe(free, { type }), 'fail: connect ECONNREFUSED');
  });
}

test('a server that asks for a certificate gets ours', async (t) => {
  const ours = maker.make({ names: [], common: 'gateway' });
  const names: unknown[] = [];
  const options = { requestCert: true, ca: [ours.cert], maxVersion: 'TLSv1.2' as const };
  const server = answering(good, options, (socket) =>
    names.push(socket.getPeerCertificate().subject.CN),
  );
  const port = await listen(t, server);
  assert.match(await probe(port, { tls: ours.files }), /^pass: 200 in /);
  assert.deepEqual(names, ['gateway']);
  assert.match(
    await probe(port, {}),
    /^fail: TLS: it (?:refused the handshake|closed the connection)/,
  );
});

test('files are read again when they change; while they cannot be used the last good ones count', async (t) => {
  const port = await listen(t, answering(good));
  const ca = join(maker.folder, 'changing.pem');
  const put = (text: string): void => {
    writeFileSync(`${ca}.new`, text);
    renameSync(`${ca}.new`, ca);
  };
  assert.match(await probe(port, { tls: { ca } }), /^void: not counted: files of tls, ENOENT/);
  put(other.cert);
  assert.match(await probe(port, { tls: { ca } }), /^fail: TLS: its certificate is self-signed/);
  put(good.cert);
  assert.match(await probe(port, { tls: { ca }, nowMs: 999 }), /^fail: /, 'not looked at yet');
  assert.match(await probe(port, { tls: { ca }, nowMs: 1000 }), /^pass: /);
  put('-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n');
  assert.match(await probe(port, { tls: { ca }, nowMs: 2000 }), /^pass: /);
});
