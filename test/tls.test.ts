// TLS of the whole program: real workers, files that change, curl and openssl as clients.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { until } from './support/base/until.ts';
import { serve, sluice, temporaryFolder } from './support/cli/process.ts';
import { type MadePair, Maker } from './support/gateway/certificates.ts';
import { needPeer } from './support/peers/programs.ts';

const maker = new Maker();
after(() => maker.close());
const [a, b, authority] = [
  maker.make({ names: ['a.example'] }),
  maker.make({ names: ['b.example'] }),
  maker.make({ names: [], common: 'authority' }),
];
const client = maker.make({ names: ['client.example'], by: authority, common: 'client' });

/** Answers with the fields of the request, as JSON. */
async function startApp(t: TestContext): Promise<string> {
  const server = createServer((request, response) => {
    response.end(JSON.stringify({ ...request.headers, path: request.url }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  return `127.0.0.1:${address.port}`;
}

const filesOf = ({ files }: MadePair): string => `{ cert: ${files.cert}, key: ${files.key} }`;

function yamlOf(app: string, certificates: string, more = ''): string {
  return `workers: 2
log_level: info
registry: { none: true }
listen: [{ address: "127.0.0.1:0", tls: { certificates: [${certificates}]${more} } }]
proxy: { access_log: access.log, access_log_format: '$pid $ssl_protocol $ssl_session_reused $ssl_server_name $scheme "$ssl_client_s_dn" $status' }
upstreams: { app: { servers: ["${app}"] } }
`;
}

type Talk = { readonly isResumed: boolean; readonly answer: string; readonly session: Buffer };

/** One request on a connection of its own. */
async function talk(url: string, options: object = {}): Promise<Talk> {
  const port = Number(new URL(url).port);
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  let session = Buffer.alloc(0);
  let isResumed = false;
  socket.on('secureConnect', () => {
    isResumed = socket.isSessionReused();
  });
  socket.on('session', (next) => {
    session = next;
  });
  socket.write('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n');
  let answer = '';
  for await (const data of socket) answer += String(data);
  return { isResumed, answer, session };
}

test('sessions are resumed by any worker, and after a restart; the log knows', async (t) => {
  const app = await startApp(t);
  const folder = temporaryFolder(t);
  const yaml = `state_dir: ${join(folder, 'state')}\n${yamlOf(app, filesOf(a))}`;
  const first = await serve(t, yaml);
  assert.match(first.gateway, /^https:/);
  const resumed = async (url: string, version: string, session: Buffer): Promise<boolean> => {
    const again = await talk(url, { maxVersion: version, session, servername: 'a.example' });
    assert.match(again.answer, /^HTTP\/1\.1 200 .*"x-forwarded-proto":"https"/s);
    return again.isResumed;
  };
  const kept = new Map<string, Buffer>();
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const { session } = await talk(first.gateway, { maxVersion: version, servername: 'a.example' });
    kept.set(version, session);
    const talks = Array.from({ length: 12 }, () => resumed(first.gateway, version, session));
    assert.deepEqual([...new Set(await Promise.all(talks))], [true]);
  }
  const keys = join(folder, 'state', 'tls-ticket-keys.json');
  assert.equal(statSync(keys).mode & 0o777, 0o600);
  first.child.kill('SIGTERM');
  await first.ended;
  const lines = readFileSync(join(first.folder, 'access.log'), 'utf8').trimEnd().split('\n');
  assert.equal(new Set(lines.map((line) => line.split(' ')[0])).size, 2, 'both workers had some');
  assert.match(lines.join('\n'), /^\d+ TLSv1\.2 r - https "-" 200$/m);
  assert.match(lines.join('\n'), /^\d+ TLSv1\.3 \. a\.example https "-" 200$/m);
  const second = await serve(t, yaml);
  for (const [version, session] of kept) {
    assert.equal(await resumed(second.gateway, version, session), true, version);
  }
  const said = `${first.stderr()}${second.stderr()}`;
  const { key } = JSON.parse(readFileSync(keys, 'utf8'))[0];
  assert(!said.includes('PRIVATE') && !said.includes(key));
});

test('a certificate that is replaced is used by who comes then; a bad one is said, and the old one stays', async (t) => {
  const app = await startApp(t);
  const folder = temporaryFolder(t);
  const files = { cert: join(folder, 'it.pem'), key: join(folder, 'it.key') };
  const put = ({ cert, key }: MadePair): void => {
    for (const [file, text] of [
      [files.cert, cert],
      [files.key, key],
    ] as const) {
      writeFileSync(`${file}.new`, text, { mode: 0o600 });
      renameSync(`${file}.new`, file);
    }
  };
  put(a);
  const daemon = await serve(t, yamlOf(app, `{ cert: ${files.cert}, key: ${files.key} }`));
  const shown = async (): Promise<string> => {
    const socket = connect({
      port: Number(new URL(daemon.gateway).port),
      rejectUnauthorized: false,
    });
    await once(socket, 'secureConnect');
    const name = socket.getPeerCertificate().subject.CN?.toString() ?? '';
    socket.destroy();
    return name;
  };
  const open = connect({ port: Number(new URL(daemon.gateway).port), rejectUnauthorized: false });
  t.after(() => open.destroy());
  await once(open, 'secureConnect');
  assert.equal(await shown(), 'a.example');
  put(b);
  await until(async () => (await shown()) === 'b.example');
  writeFileSync(files.key, a.key);
  await until(() => daemon.stderr().includes('new certificate not used, the old one stays'));
  assert.match(daemon.stderr(), /it\.key: is not the key of .*it\.pem/);
  assert.equal(await shown(), 'b.example');
  open.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const [data] = await once(open, 'data');
  assert.match(String(data), /^HTTP\/1\.1 200 /, 'the connection from before');
  const metrics = await (await fetch(`${daemon.control}/metrics`)).text();
  assert.match(
    metrics,
    /^sluice_certificate_expiry_seconds\{listener="127\.0\.0\.1:0",file=".*it\.pem"\} \d{10}$/m,
  );
  const { stdout } = await sluice(['status', ...daemon.here]);
  assert.match(stdout, /^tls {8}1 certificate, b\.example ends in /m);
});

test('a reload brings listeners with TLS, other certificates, and refuses files that cannot be used', async (t) => {
  const app = await startApp(t);
  const daemon = await serve(t, yamlOf(app, filesOf(a)));
  const file = join(daemon.folder, 'sluice.yaml');
  const before = readFileSync(file, 'utf8');
  writeFileSync(file, before.replace(filesOf(a), '{ cert: none.pem, key: none.key }'));
  const bad = await sluice(['reload', ...daemon.here, '-c', file]);
  assert.notEqual(bad.code, 0);
  assert.match(bad.stderr, /tls\.certificates\[0\]\.cert .*none\.pem: does not exist/);
  writeFileSync(file, before.replace(filesOf(a), filesOf(b)));
  const good = await sluice(['reload', ...daemon.here, '-c', file]);
  assert.equal(good.code, 0, good.stderr);
  await until(async () => {
    const socket = connect({
      port: Number(new URL(daemon.gateway).port),
      rejectUnauthorized: false,
    });
    await once(socket, 'secureConnect');
    const isNew = socket.getPeerCertificate().subject.CN === 'b.example';
    socket.destroy();
    return isNew;
  });
});

test('client certificates: required, passed on, and never what a client says itself', async (t) => {
  const app = await startApp(t);
  const more = `, client_ca: ${authority.files.cert}, pass_client_certificate: on`;
  const daemon = await serve(t, yamlOf(app, filesOf(a), more));
  const none = await talk(daemon.gateway);
  assert.match(none.answer, /^HTTP\/1\.1 400 .*no client certificate was sent/s);
  const stranger = await talk(daemon.gateway, { cert: b.cert, key: b.key });
  assert.match(stranger.answer, /^HTTP\/1\.1 400 .*not accepted \(/s);
  const known = await talk(daemon.gateway, { cert: client.cert, key: client.key });
  assert.match(
    known.answer,
    /"x-client-cert-subject":"CN=client","x-client-cert-fingerprint":"[0-9a-f]{64}"/,
  );
  // What it has resumed is still its own.
  const again = { cert: client.cert, key: client.key, session: known.session };
  assert.match((await talk(daemon.gateway, again)).answer, /"x-client-cert-subject":"CN=client"/);
  const port = Number(new URL(daemon.gateway).port);
  const liar = connect({ port, rejectUnauthorized: false, cert: client.cert, key: client.key });
  liar.write(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Client-Cert-Subject: CN=root\r\nx-client_cert-fingerprint: 1\r\n\r\n',
  );
  let answer = '';
  for await (const data of liar) answer += String(data);
  assert.match(answer, /"x-client-cert-subject":"CN=client"/);
  assert.doesNotMatch(answer, /root/);
});

test('files that cannot be used are said at the start and by check, each; warnings too', async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'sluice.yaml');
  const check = async (certificates: string) => {
    writeFileSync(file, yamlOf('127.0.0.1:1', certificates));
    return sluice(['check', file]);
  };
  const mixed = `{ cert: ${a.files.cert}, key: ${b.files.key} }`;
  const swapped = `{ cert: ${a.files.key}, key: ${a.files.cert} }`;
  const bad = await check(`${mixed}, ${swapped}, { cert: no.pem, key: ${a.files.key} }`);
  assert.equal(bad.code, 2, bad.stderr);
  assert.match(bad.stderr, /certificates\[0\]\.key .*is not the key of/);
  assert.match(bad.stderr, /certificates\[1\]\.cert .*holds a key; are cert and key exchanged/);
  assert.match(bad.stderr, /certificates\[2\]\.cert .*no\.pem: does not exist/);
  const started = await sluice(['serve', '-c', file]);
  assert.match(started.stderr, /certificates\[0\]\.key .*is not the key of/);
  const old = maker.make({ days: -1 });
  const nameless = maker.make({ names: [], common: 'nobody' });
  chmodSync(nameless.files.key, 0o644);
  const soon = maker.make({ days: 1 });
  const warned = await check([old, nameless, soon].map(filesOf).join(', '));
  assert.equal(warned.code, 0, warned.stderr);
  assert.match(warned.stderr, /certificates\[0\]\.cert .*has expired/);
  assert.match(warned.stderr, /certificates\[1\]\.cert .*names no host/);
  assert.match(warned.stderr, /certificates\[1\]\.key .*every user of this machine may read it/);
  const shown = await sluice(['check', '--json', file]);
  assert.doesNotMatch(shown.stdout, /PRIVATE/);
});

test('curl and openssl: a request, a redirect, versions, a verified name', async (t) => {
  const [curl, openssl] = [needPeer(t, 'curl'), needPeer(t, 'openssl')];
  if (curl === undefined || openssl === undefined) return;
  const app = await startApp(t);
  const yaml = yamlOf(app, `${filesOf(a)}, ${filesOf(b)}`).replace(
    'listen: [',
    'listen: [{ address: "127.0.0.1:0", redirect_to_https: on, https_port: 8443 }, ',
  );
  let count = 0;
  const listen = yaml.replaceAll('"127.0.0.1:0"', () => `"127.0.0.${++count}:0"`);
  const daemon = await serve(t, listen);
  const urls = [...daemon.stderr().matchAll(/^ {2}gateway +(\S+)/gm)].map(
    ([, url = '']) => new URL(url),
  );
  const [plain, secure] = urls;
  assert(plain !== undefined && secure !== undefined);
  const run = promisify(execFile);
  const resolve = ['--resolve', `b.example:${secure.port}:${secure.hostname}`];
  const verified = await run(curl, [
    '-s',
    '--cacert',
    b.files.cert,
    ...resolve,
    `https://b.example:${secure.port}/x`,
  ]);
  assert.match(verified.stdout, /"path":"\/x"/);
  const head = ['-si', '-X', 'POST', '-d', 'x', '-H', 'Host: b.example:80', `${plain.origin}/y?z`];
  assert.match(
    (await run(curl, head)).stdout,
    /^HTTP\/1\.1 308 .*Location: https:\/\/b\.example:8443\/y\?z\r\n/s,
  );
  const challenge = await run(curl, ['-s', `${plain.origin}/.well-known/acme-challenge/t`]);
  assert.match(challenge.stdout, /acme-challenge/);
  const shake = (...more: readonly string[]) => {
    const where = ['-connect', secure.host, '-servername', 'b.example', ...more];
    const done = run(openssl, ['s_client', ...where], { timeout: 10_000 });
    done.child.stdin?.end();
    return done.then(
      ({ stdout }) => stdout,
      (error: { stdout: string; stderr: string }) => `${error.stdout}${error.stderr}`,
    );
  };
  assert.match(await shake('-tls1_2'), /subject=CN = b\.example[\s\S]*Protocol *: TLSv1\.2/);
  assert.match(await shake('-tls1_3', '-alpn', 'h2,http/1.1'), /ALPN protocol: http\/1\.1/);
  assert.match(
    await shake('-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'),
    /alert protocol version|no protocols available/,
  );
  assert.match(await shake('-alpn', 'h2'), /no application protocol/);
});
