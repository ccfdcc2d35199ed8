// What a listener and its connections say of themselves, and where it is heard.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { recordingLog } from '../../test/support/base/recording-log.ts';
import {
  gatewayConfig,
  rawExchange,
  serverState,
  startGateway,
  startHello,
} from '../../test/support/gateway/builders.ts';
import { ROUND_ROBIN } from '../model.ts';
import { UpstreamSet } from '../upstream.ts';
import { Gateway } from './gateway.ts';
import { nodeTransport, type Transport } from './transport.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

/** Node's sockets, as if their bytes had been protected on their way. */
const secure: Transport = {
  ...nodeTransport,
  listen: (options, onConnection, onError) =>
    nodeTransport.listen(
      options,
      (connection) => onConnection(Object.assign(connection, { scheme: 'https' })),
      onError,
    ),
};

for (const [transport, lines, expected] of [
  [nodeTransport, '', 'http'],
  [secure, '', 'https'],
  [secure, 'X-Forwarded-Proto: http\r\n', 'https'],
] as const) {
  const given = lines === '' ? 'nothing' : lines.trim();
  test(`a server is told ${expected} of a connection that is so, with ${given} from the client`, async (t) => {
    const server = await startHello(t);
    const { port } = await startGateway(t, [server.port], {}, undefined, { transport });
    await rawExchange(t, port, GET.replace('\r\n\r\n', `\r\n${lines}\r\n`));
    assert.match(server.received[0] ?? '', new RegExp(`\r\nX-Forwarded-Proto: ${expected}\r\n`));
    assert.equal(server.received[0]?.match(/x-forwarded-proto/gi)?.length, 1);
  });
}

test('the slower sockets are said, the others are a detail', (t) => {
  const before = process.env['SLUICE_TRANSPORT'] ?? '';
  t.after(() => {
    process.env['SLUICE_TRANSPORT'] = before;
  });
  const levels = ['', 'node'].map((wanted) => {
    process.env['SLUICE_TRANSPORT'] = wanted;
    const { log, lines } = recordingLog();
    new Gateway({ config: gatewayConfig(), upstreams: new UpstreamSet(), log }).destroy();
    return lines.filter(({ message }) => message.startsWith('sockets')).map(({ level }) => level);
  });
  assert.deepEqual(levels, [['debug'], ['info']]);
});

test('the access log names the listener that a client came in by', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-listener-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const accessLog = join(folder, 'access.log');
  const server = await startHello(t);
  const upstreams = new UpstreamSet();
  const listen = ['inner', 'outer'].map((id) => ({ id, host: '127.0.0.1', port: 0 }));
  const gateway = new Gateway({ config: { ...gatewayConfig({ accessLog }), listen }, upstreams });
  t.after(() => gateway.destroy());
  gateway.apply({
    generation: 1,
    upstreams: [
      {
        ...{ name: 'app', balancing: ROUND_ROBIN, slowStartMs: 0 },
        servers: [serverState(server.port)],
      },
    ],
    removed: [],
  });
  gateway.setRoutes([{ host: '', path: '/', upstream: 'app' }]);
  const addresses = await gateway.listen();
  for (const { port } of addresses.toReversed()) await rawExchange(t, port, GET);
  await gateway.close(1000);
  const lines = readFileSync(accessLog, 'utf8').trim().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).listener),
    ['outer', 'inner'],
  );
});
