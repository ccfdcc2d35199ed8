// What lets us in, against a real Consul: certificates of both sides, and tokens that rotate. Nothing is
// restarted when a file changes, and no secret is in a log.

import assert from 'node:assert/strict';
import { copyFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { recordingLog } from '../../../test/support/base/recording-log.ts';
import { createCertificates } from '../../../test/support/peers/certificates.ts';
import { openClient, temporaryFolder } from '../../../test/support/registry/builders.ts';
import {
  type ConsulCluster,
  startConsulCluster,
} from '../../../test/support/registry/consul-cluster.ts';
import { Seen } from '../../../test/support/registry/store-contract.ts';
import type { Address } from '../../base/units.ts';
import type { RecordStore } from '../record-store.ts';

const TLS = { ca: '', cert: '', key: '', serverName: '', verify: true };
const MASTER = '11111111-2222-3333-4444-555555555555';

/** What a watch is told of the registry's health. */
class Health {
  readonly told: string[] = [];
  #arrived: () => void = () => {};

  readonly onHealth = ({ trouble }: { readonly trouble: string }): void => {
    this.told.push(trouble);
    this.#arrived();
  };

  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.told.at(-1) ?? 'nothing')) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }
}

function follow(t: TestContext, registry: RecordStore): { seen: Seen; health: Health } {
  const [seen, health] = [new Seen(), new Health()];
  const watch = registry.watch('w/', { onState: seen.onState, onHealth: health.onHealth });
  t.after(() => watch.close());
  return { seen, health };
}

test('TLS with certificates on both sides, read again when they change', async (t) => {
  const folder = temporaryFolder(t);
  const certificates = await createCertificates(t, folder);
  if (certificates === undefined) return;
  const server = certificates('server');
  const ca = certificates('ca').cert;
  const cluster = await startConsulCluster(t, {
    servers: 1,
    https: true,
    settings: {
      ...{ ca_file: ca, cert_file: server.cert, key_file: server.key },
      ...{ verify_incoming_https: true },
    },
  });
  if (cluster === undefined) return;
  const { addresses } = cluster;
  const own = certificates('client');
  const good = { ...TLS, ca, cert: own.cert, key: own.key };
  const registry = openClient(t, addresses, { tls: good });
  assert.equal(await registry.put('w/a', '0'), true);
  assert.equal(await registry.put('w/b', '0', { cas: 0 }), true);
  assert.equal(
    await openClient(t, addresses, { tls: { ...good, serverName: 'localhost' } }).delete('w/b'),
    true,
  );
  const { seen } = follow(t, registry);
  await seen.until('a=0');

  const other = certificates('other-client');
  for (const [tls, words] of [
    [{ ...good, cert: '', key: '' }, /refuses our certificate; see tls\.cert and tls\.key/],
    [{ ...good, cert: other.cert, key: other.key }, /refuses our certificate/],
    [{ ...good, ca: certificates('other-ca').cert }, /not trusted; set tls\.ca to/],
    [{ ...good, ca: '' }, /not trusted; set tls\.ca to/],
    [{ ...good, serverName: 'server.es8-dc.consul' }, /another name; set tls\.server_name/],
  ] as const) {
    const refused = openClient(t, addresses, { tls, requestTimeoutMs: 1500 });
    // A guarded write, whose outcome is known all the same.
    await assert.rejects(refused.put('w/a', '9', { cas: 1 }), {
      code: 'registry_unreachable',
      message: words,
    });
  }
  const any = { ...good, ca: certificates('other-ca').cert, verify: false };
  assert.equal((await openClient(t, addresses, { tls: any }).list('w/')).entries.length, 1);
  await assert.rejects(openClient(t, addresses).list('w/'), {
    code: 'registry_refused',
    message: /write https:\/\/ before its address, or set tls/,
  });
  assert.throws(() => openClient(t, addresses, { tls: { ...good, cert: join(folder, 'none') } }), {
    code: 'config_invalid',
    message: /none: does not exist; write a PEM file there/,
  });
  assert.throws(() => openClient(t, addresses, { tls: { ...good, key: other.key } }), {
    code: 'config_invalid',
    message: /write PEM files of one certificate, its key and the CA/,
  });

  // With a certificate that is refused at first, and then replaced, file by file.
  const mine = { cert: join(folder, 'mine.pem'), key: join(folder, 'mine.key') };
  const replace = (by: typeof mine): void => {
    for (const part of ['cert', 'key'] as const) {
      copyFileSync(by[part], `${mine[part]}.new`);
      renameSync(`${mine[part]}.new`, mine[part]);
    }
  };
  replace(other);
  const { log, lines } = recordingLog();
  const rotating = openClient(t, addresses, { tls: { ...good, ...mine }, log });
  const followed = follow(t, rotating);
  await followed.health.until(/refuses our certificate/);
  replace(own);
  await followed.seen.until('a=0');
  await followed.health.until(/^$/);

  // Half of a pair is not used; what is good goes on.
  writeFileSync(mine.key, 'half a ');
  await rotating.put('w/a', '1');
  await followed.seen.until('a=1');
  const said = lines.find(({ message }) => message.startsWith('registry credentials are not good'));
  assert.equal(said?.level, 'warn');
  assert(lines.some(({ message }) => message === 'registry credentials were read again'));
  assert(!JSON.stringify(lines).includes('half a'));
});

test('TLS that is spoken to a plain port says so', async (t) => {
  const cluster = await startConsulCluster(t, { servers: 1 });
  if (cluster === undefined) return;
  const registry = openClient(t, cluster.addresses, { tls: TLS, requestTimeoutMs: 2000 });
  await assert.rejects(registry.get('a'), {
    code: 'registry_unreachable',
    message: /does not speak TLS; write http:\/\/ or correct the port/,
  });
  const there = openClient(t, cluster.addresses, { datacenter: 'es8-dc' });
  assert.equal(await there.put('a', '1'), true);
  const nowhere = openClient(t, cluster.addresses, { datacenter: 'other', requestTimeoutMs: 2000 });
  await assert.rejects(nowhere.put('a', '1'), { message: /No path to datacenter/ });
  const team = openClient(t, cluster.addresses, { namespace: 'team' });
  await assert.rejects(team.get('a'), { message: /Namespaces are a Consul Enterprise feature/ });
});

test('tokens rotate under a watch; one that is missing is trouble with its remedy', async (t) => {
  const cluster = await startConsulCluster(t, {
    servers: 1,
    settings: { acl: { enabled: true, default_policy: 'deny', tokens: { master: MASTER } } },
    token: MASTER,
  });
  if (cluster === undefined) return;
  const acl = await openAcl(cluster);
  const admin = openClient(t, cluster.addresses, { token: MASTER });
  await admin.put('w/a', '0');
  const tokenFile = join(temporaryFolder(t), 'token');
  const writeToken = (token: string): void => {
    writeFileSync(`${tokenFile}.new`, `${token}\n`);
    renameSync(`${tokenFile}.new`, tokenFile);
  };
  const first = await acl.createToken();
  writeToken(first.SecretID);
  const { log, lines } = recordingLog();
  const registry = openClient(t, cluster.addresses, { tokenFile, log });
  const { seen, health } = follow(t, registry);
  await seen.until('a=0');

  // Another one, and the last is gone: the query that waits was let in with the last.
  const second = await acl.createToken();
  writeToken(second.SecretID);
  await acl.deleteToken(first.AccessorID);
  await admin.put('w/a', '1');
  await seen.until('a=1');
  // An empty file is no token.
  writeToken('');
  await admin.put('w/a', '2');
  await seen.until('a=2');
  assert.equal((await registry.get('w/a'))?.value.length, 1);

  // Revoked: what is known stays, and the reason is told.
  await acl.deleteToken(second.AccessorID);
  await admin.put('w/a', '3');
  await health.until(/ACL not found|Permission denied|may not read/);
  const third = await acl.createToken();
  writeToken(third.SecretID);
  await seen.until('a=3');
  await health.until(/^$/);
  assert.deepEqual(
    seen.states.filter((state) => !/^a=[0-3]$/.test(state)),
    [],
  );

  // None at all, and one without the right.
  const none = openClient(t, cluster.addresses);
  const words = /the list of "w\/" looks empty because no ACL token is set and Consul hides it/;
  await assert.rejects(none.list('w/'), { code: 'registry_refused', message: words });
  const blind = follow(t, none);
  await blind.health.until(words);
  assert.deepEqual(blind.seen.states, []);
  const elsewhere = await acl.createToken('v/');
  const wrong = openClient(t, cluster.addresses, { token: elsewhere.SecretID });
  await assert.rejects(wrong.list('w/'), {
    message: /the ACL token may not read it; use a token whose policy has key_prefix "w\/"/,
  });
  assert.deepEqual((await wrong.list('v/')).entries, [], 'one that is empty is empty');
  const secrets = [first, second, third].map(({ SecretID }) => SecretID);
  assert.equal(
    lines.some((line) => secrets.some((one) => JSON.stringify(line).includes(one))),
    false,
  );
});

type Token = { readonly AccessorID: string; readonly SecretID: string };

async function openAcl({ addresses }: ConsulCluster) {
  const [address] = addresses;
  const policies = new Set<string>();
  const send = async (method: string, path: string, body?: unknown): Promise<unknown> =>
    ask(address, `${method} /v1/acl/${path}`, body);
  return {
    async createToken(prefix = 'w/'): Promise<Token> {
      const name = prefix.replace('/', '');
      const rules = `key_prefix "${prefix}" { policy = "write" }`;
      if (!policies.has(name)) await send('PUT', 'policy', { Name: name, Rules: rules });
      policies.add(name);
      // The cast only names the fields that a real Consul sends.
      return (await send('PUT', 'token', { Policies: [{ Name: name }] })) as Token;
    },
    deleteToken: (accessor: string) => send('DELETE', `token/${accessor}`),
  };
}

async function ask(address: Address | undefined, line: string, body?: unknown): Promise<unknown> {
  const [method = 'GET', path = '/'] = line.split(' ');
  const response = await fetch(`http://127.0.0.1:${address?.port}${path}`, {
    method,
    headers: { 'X-Consul-Token': MASTER },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  assert.equal(response.status, 200, `${line}: ${response.status}`);
  return response.json();
}
