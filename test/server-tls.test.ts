// TLS to servers in the whole program: real workers, authorities that change, a reload from http to https, check.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer as createPlain } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { freePorts } from './support/base/ports.ts';
import { until } from './support/base/until.ts';
import { serve, sluice, temporaryFolder } from './support/cli/process.ts';
import { type MadePair, Maker } from './support/gateway/certificates.ts';
import { startNginx } from './support/peers/nginx.ts';

const maker = new Maker();
after(() => maker.close());
const [first, second] = [
  maker.make({ names: ['app.internal'] }),
  maker.make({ names: ['app.internal'] }),
];

async function startApp(t: TestContext, pair: MadePair | undefined) {
  let requests = 0;
  const answer = (): string => `${pair === undefined ? 'plain' : 'secure'} ${++requests}`;
  const server =
    pair === undefined
      ? createPlain((_, response) => response.end(answer()))
      : createServer({ cert: pair.cert, key: pair.key }, (_, response) => response.end(answer()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    id: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    use: (next: MadePair) => {
      if ('setSecureContext' in server) server.setSecureContext({ cert: next.cert, key: next.key });
    },
  };
}

const yamlOf = (server: string, tls: string): string =>
  `workers: 2
registry: { none: true }
proxy: { show_reason: on }
upstreams: { app: { servers: [{ address: "${server}", max_fails: 0 }]${tls} } }
`;

async function ask(url: string): Promise<string> {
  const response = await fetch(url);
  return `${response.status} ${response.headers.get('x-sluice-reason') ?? ''} ${await response.text()}`;
}

test('servers with another certificate are refused until their authority is known, without a reload', async (t) => {
  const app = await startApp(t, first);
  const ca = join(temporaryFolder(t), 'ca.pem');
  writeFileSync(ca, first.cert);
  const daemon = await serve(t, yamlOf(app.id, `, tls: { ca: ${ca}, server_name: app.internal }`));
  assert.match(await ask(daemon.gateway), /^200 .*secure 1$/);
  app.use(second);
  writeFileSync(`${ca}.new`, second.cert);
  renameSync(`${ca}.new`, ca);
  await until(async () => {
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => ask(daemon.gateway)));
    return answers.every((answer) => answer.startsWith('200 '));
  });
  writeFileSync(`${ca}.new`, first.cert);
  renameSync(`${ca}.new`, ca);
  await until(async () => /^502 .*self-signed, and not in tls\.ca/.test(await ask(daemon.gateway)));
  const asked = app.requests();
  writeFileSync(ca, 'no certificate');
  await until(() => /ca\.pem: holds no certificate in PEM/.test(daemon.stderr()));
  assert.match(await ask(daemon.gateway), /^502 /);
  assert.equal(app.requests(), asked);
});

test('a reload turns an upstream to TLS and back, and no kept connection is used for the other', async (t) => {
  const [plain, secure] = [await startApp(t, undefined), await startApp(t, first)];
  const daemon = await serve(t, yamlOf(plain.id, ''));
  const file = join(daemon.folder, 'sluice.yaml');
  const before = readFileSync(file, 'utf8');
  const reload = async (tls: string, server = plain.id) => {
    const text = before
      .replace(`"${plain.id}"`, `"${server}"`)
      .replace('max_fails: 0 }]', `max_fails: 0 }]${tls}`);
    writeFileSync(file, text);
    const { code, stderr } = await sluice(['reload', ...daemon.here, '-c', file]);
    return code === 0 ? '' : stderr;
  };
  const settings = `, tls: { ca: ${first.files.cert}, server_name: app.internal }`;
  assert.match(await ask(daemon.gateway), /^200 .*plain 1$/);
  assert.equal(await reload(settings), '');
  await until(async () => /it does not speak TLS on this port/.test(await ask(daemon.gateway)));
  assert.match(
    await reload(', tls: { ca: none.pem }'),
    /upstreams\.app: tls\.ca .*none\.pem: does not exist/,
  );
  assert.equal(await reload(settings, secure.id), '');
  await until(async () => /^200 .*secure/.test(await ask(daemon.gateway)));
  assert.equal(await reload(''), '');
  await until(async () => /^200 .*plain/.test(await ask(daemon.gateway)));
});

test('check says what is wrong with the files, and warns of servers that are not checked', async (t) => {
  const file = join(temporaryFolder(t), 'sluice.yaml');
  const check = async (tls: string) => {
    writeFileSync(file, yamlOf('127.0.0.1:1', `, tls: ${tls}`));
    return sluice(['check', file]);
  };
  const { cert, key } = first.files;
  const mixed = await check(`{ ca: ${key}, cert: ${cert}, key: ${second.files.key} }`);
  assert.equal(mixed.code, 2);
  assert.match(mixed.stderr, /upstreams\.app: tls\.ca .*holds a key/);
  const pair = await check(`{ cert: ${cert}, key: ${second.files.key} }`);
  assert.match(pair.stderr, /upstreams\.app: tls\.key .*is not the key of/);
  assert.match((await check(`{ cert: ${cert} }`)).stderr, /tls: has cert without key/);
  const open = await check('{ verify: off }');
  assert.equal(open.code, 0, open.stderr);
  assert.match(open.stderr, /upstreams\.app\.tls\.verify: takes any certificate/);
});

test('checks of an upstream with TLS are made over TLS, and say what is wrong', async (t) => {
  const app = await startApp(t, first);
  const check = 'check: { path: /ping, interval: 50ms, rise: 1, fall: 1 }';
  const ca = join(temporaryFolder(t), 'ca.pem');
  writeFileSync(ca, first.cert);
  const daemon = await serve(
    t,
    yamlOf(app.id, `, tls: { ca: ${ca}, server_name: app.internal }, ${check}`),
  );
  const server = async () => {
    const { stdout } = await sluice(['status', 'app', '--json', ...daemon.here]);
    return JSON.parse(stdout).upstreams[0].servers[0];
  };
  await until(async () => (await server()).checks === 'up');
  assert.equal((await server()).checkType, 'https');
  assert.match(await ask(daemon.gateway), /^200 .*secure/);
  app.use(second);
  await until(async () => (await server()).checks === 'down');
  assert.match(
    (await server()).checkReason,
    /^TLS: its certificate is self-signed, and not in tls\.ca/,
  );
  writeFileSync(`${ca}.new`, second.cert);
  renameSync(`${ca}.new`, ca);
  await until(async () => (await server()).checks === 'up');
});

test('a check may have TLS of its own, and its files are looked at by check, too', async (t) => {
  const file = join(temporaryFolder(t), 'sluice.yaml');
  const check = async (upstream: string) => {
    writeFileSync(file, yamlOf('127.0.0.1:1', `, ${upstream}`));
    const { code, stderr } = await sluice(['check', file]);
    return `${code} ${stderr}`;
  };
  assert.match(
    await check('check: { type: tls, tls: { ca: no.pem } }'),
    /^2 .*upstreams\.app\.check: tls\.ca .*no\.pem: does not exist/s,
  );
  assert.match(
    await check('check: { tls: {} }'),
    /^2 .*check\.tls: has no meaning in a http check; .*write type: https/s,
  );
  assert.match(
    await check('tls: {}, check: { type: http }'),
    /^2 .*check\.type: http asks in the open/s,
  );
  assert.match(await check('tls: {}, check: { type: http, port: 9100 }'), /^0 /);
  assert.match(
    await check(`check: { type: https, tls: { ca: ${first.files.cert} }, path: /ping }`),
    /^0 /,
  );
});

test('a real nginx as the server: certificate of ours asked for, connection and session kept', async (t) => {
  const [port = 0] = await freePorts(1);
  const ours = maker.make({ names: [], common: 'gateway' });
  const isReady = async (): Promise<boolean> => {
    const probe = connect(port, '127.0.0.1');
    const [event] = await Promise.race([
      once(probe, 'connect').then(() => ['open']),
      once(probe, 'close').then(() => ['closed']),
    ]).catch(() => ['closed']);
    probe.destroy();
    return event === 'open';
  };
  const folder = await startNginx(t, {
    isReady,
    http: () => `access_log off;
server { listen 127.0.0.1:${port} ssl; ssl_certificate ${first.files.cert}; ssl_certificate_key ${first.files.key};
ssl_client_certificate ${ours.files.cert}; ssl_verify_client on;
location / { return 200 "$ssl_client_s_dn $ssl_server_name $connection_requests"; } }`,
  });
  if (folder === undefined) return;
  const { cert, key } = ours.files;
  const tls = `ca: ${first.files.cert}, server_name: app.internal, cert: ${cert}, key: ${key}`;
  const yaml = yamlOf(`127.0.0.1:${port}`, `, tls: { ${tls} }`).replace('workers: 2', 'workers: 1');
  const daemon = await serve(t, yaml);
  assert.match(await ask(daemon.gateway), /^200 .*CN=gateway app\.internal 1$/);
  assert.match(await ask(daemon.gateway), /^200 .*CN=gateway app\.internal 2$/);
});
