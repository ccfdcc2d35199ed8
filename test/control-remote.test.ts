// The control API from another machine: over TLS with tokens, through a real sshd, and by the next
// gateway when one is away.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createControlClient } from '../src/client.ts';
import { freePort } from './support/base/ports.ts';
import { serve, sluice, start, temporaryFolder } from './support/cli/process.ts';
import { startSshd } from './support/cli/sshd.ts';
import {
  daemonConfig,
  get,
  runDaemon,
  startServer,
  status,
  until,
} from './support/daemon/builders.ts';
import { createCertificates } from './support/peers/certificates.ts';
import { startEmbedded } from './support/registry/builders.ts';

test('verbs over TLS: the authority, the token and its role decide', async (t) => {
  const folder = temporaryFolder(t);
  const of = await createCertificates(t, folder);
  if (of === undefined) return;
  const server = await startServer(t);
  const daemon = await serve(
    t,
    `admin:
  listen: "127.0.0.1:0"
  tls: { cert: ${of('server').cert}, key: ${of('server').key} }
  tokens: { grafana: { secret: look }, ops: { role: operate, secret: change } }
upstreams: { app: { servers: ["${server.id}"] } }`,
  );
  const { control } = daemon;
  assert.match(control, /^https:/);
  const ca = ['--ca', of('ca').cert];
  const run = (token: string, ...words: readonly string[]) =>
    sluice([...words, '--control', control], { env: { SLUICE_TOKEN: token } });
  assert.match((await run('look', 'status', ...ca)).stdout, new RegExp(server.id));
  const refused = await run('look', 'drain', 'app', server.id, ...ca);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /needs the role operate, and token "grafana" has read/);
  assert.equal((await run('change', 'drain', 'app', server.id, '-m', 'disk', ...ca)).code, 0);
  const events = await run('look', 'events', ...ca);
  assert.match(events.stdout, /grafana .*setAdmin refused: forbidden/);
  assert.match(events.stdout, /ops, user:\S+ +127\.0\.0\.1 .*: ready → drain \(disk\)\n$/);
  const unknown = await run('wrong', 'status', ...ca);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /it does not accept the token; check SLUICE_TOKEN/);
  assert.doesNotMatch(unknown.stderr, /wrong/);

  const untrusted = await run('look', 'status');
  assert.equal(untrusted.code, 9);
  assert.match(untrusted.stderr, /its certificate is not trusted .*; name its authority with --ca/);
  assert.equal((await run('look', 'status', '--ca', of('other-ca').cert)).code, 9);
  const byEnvironment = await sluice(['status', '--control', control], {
    env: { SLUICE_TOKEN: 'look', SLUICE_CA: of('ca').cert },
  });
  assert.equal(byEnvironment.code, 0);
  const plain = await run('look', 'status', '--control', control.replace('https', 'http'));
  assert.equal(plain.code, 9);
});

test('who has the configuration file trusts the certificate in it, and no other', async (t) => {
  const folder = temporaryFolder(t);
  const of = await createCertificates(t, folder);
  if (of === undefined) return;
  const port = await freePort();
  const yaml = (name: 'server' | 'client') => `admin:
  listen: "localhost:${port}"
  tls: { cert: ${of(name).cert}, key: ${of(name).key} }
  tokens: { ops: { role: operate, secret: change } }
`;
  const daemon = await serve(t, yaml('server'));
  const file = join(daemon.folder, 'sluice.yaml');
  assert.equal((await sluice(['status', '-c', file])).code, 0);
  // Of the same authority, and not the one that is shown.
  writeFileSync(join(folder, 'other.yaml'), yaml('client'));
  const other = await sluice(['status', '-c', join(folder, 'other.yaml')]);
  assert.equal(other.code, 9);
  assert.match(other.stderr, /certificate is not trusted/);
});

test('verbs through ssh: nothing is opened, nothing is left, and what is wrong is said', async (t) => {
  const ssh = await startSshd(t);
  if (ssh === undefined) return;
  const server = await startServer(t);
  const daemon = await serve(t, `upstreams: { app: { servers: ["${server.id}"] } }`);
  const address = daemon.control.replace('http://', '');
  const control = ['--control', `${ssh.url}/${address}`];
  const status = await sluice(['status', ...control], { env: ssh.env });
  assert.equal(status.code, 0, status.stderr);
  assert.match(status.stdout, new RegExp(server.id));
  const drain = await sluice(['drain', 'app', server.id, ...control], { env: ssh.env });
  assert.equal(drain.code, 0, drain.stderr);
  await until('no ssh is left', async () => (await ssh.clients()) === 0);

  // Killed without a chance to clean up.
  const watching = start(['status', '--watch', ...control], { env: ssh.env });
  await once(watching.stdout ?? watching, 'data');
  assert(Number(await ssh.clients()) > 0);
  watching.kill('SIGKILL');
  await once(watching, 'close');
  await until('ssh is gone with it', async () => (await ssh.clients()) === 0);

  const denied = await sluice(['status', ...control], { env: ssh.stranger });
  assert.equal(denied.code, 9);
  assert.match(
    denied.stderr,
    /^sluice: control API ssh:.*: ssh: .*Permission denied.*; it must connect without asking, try: ssh -o BatchMode=yes -p \d+ \S+@127\.0\.0\.1 true\n$/,
  );
  const nobody = await sluice(['status', '--control', `${ssh.url}/127.0.0.1:${await freePort()}`], {
    env: ssh.env,
  });
  assert.equal(nobody.code, 9);
  assert.match(nobody.stderr, /ssh: .*Connection refused/);
  const away = `ssh://127.0.0.1:${await freePort()}`;
  const closed = await sluice(['status', '--control', away], { env: ssh.env });
  assert.match(closed.stderr, /ssh: .*Connection refused/);
  const both = await sluice(['status', '--control', `${away},${control[1]}`], { env: ssh.env });
  assert.equal(both.code, 0, both.stderr);
});

test('what is begun by one gateway goes on by the next: drain and receipt', async (t) => {
  const registry = await startEmbedded(t);
  const server = await startServer(t);
  const other = await startServer(t);
  const consul = `registry: { consul: { addresses: ["127.0.0.1:${registry.address.port}"] } }`;
  const yaml = `${consul}\nupstreams: { app: { servers: ["${server.id}", "${other.id}"] } }`;
  const one = await runDaemon(t, daemonConfig(yaml, temporaryFolder(t)));
  const two = await runDaemon(t, daemonConfig(yaml, temporaryFolder(t)));
  await until(
    'they know each other',
    async () =>
      (await status(one.control)).gateways.length === 2 &&
      (await status(two.control)).gateways.length === 2,
  );
  const client = createControlClient({ url: `${one.control},${two.control}` });
  const { id } = await client.openReceipt('app');
  for (const gateway of [one.gateway, two.gateway]) await get(gateway);
  const request = { state: 'drain', owner: 'user:test', reason: '' } as const;
  await client.setAdmin('app', server.id, request);
  // It is the other's from now on: a receipt goes with the gateway that was asked about it last.
  const next = createControlClient({ url: two.control });
  assert.equal((await next.readReceipt(id)).gateways.length, 2);
  await one.close();
  const drain = await client.awaitIdle('app', server.id, 5000);
  assert.equal(drain.idle, true);
  assert.equal(drain.admin.owner, 'user:test');
  const receipt = await client.readReceipt(id);
  assert.deepEqual([receipt.requests, receipt.answered, receipt.complete], [2, 2, true]);
  assert.equal(receipt.gateways.length, 2);
});
