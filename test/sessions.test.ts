// Logins over the life of a gateway: a restart ends none, and a configuration without the token ends them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { daemonConfig, runDaemon, temporaryDir } from './support/daemon/builders.ts';

const WITH = (tokens: string): string =>
  `upstreams: { app: { servers: ["127.0.0.1:1"] } }\nworkers: 1\nadmin: { tokens: { ${tokens} } }`;
const ANN = 'ann: { role: operate, secret: secret-of-ann }';
const BOB = 'bob: { role: read, secret: secret-of-bob }';

test('a restart logs nobody out; a token that is gone from the file does, at once', async (t) => {
  const dir = temporaryDir(t);
  const parse = (tokens: string) => daemonConfig(WITH(tokens), dir);
  const first = await runDaemon(t, parse(`${ANN}, ${BOB}`));
  const body = JSON.stringify({ token: 'secret-of-ann' });
  const login = await fetch(`${first.control}/api/session`, { method: 'POST', body });
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
  const session: unknown = await login.json();
  await first.close();

  const second = await runDaemon(t, parse(`${ANN}, ${BOB}`));
  const look = async (): Promise<unknown> =>
    (await fetch(`${second.control}/api/session`, { headers: { cookie } })).json();
  assert.deepEqual(await look(), session);

  const applied = await second.applyConfig(parse(BOB));
  assert.deepEqual([applied.keys, applied.kept], [['admin.tokens'], []]);
  const nobody = { required: true, name: '', role: '', csrf: '', untilMs: 0 };
  assert.deepEqual(await look(), nobody);

  // An API that asks does not stop asking while it is open.
  const none = await second.applyConfig(parse(''));
  assert.deepEqual(
    none.kept.map(({ key }) => key),
    ['admin.tokens'],
  );
  assert.deepEqual(await look(), nobody);
  await second.applyConfig(parse(ANN));
  assert.deepEqual(await look(), session);
});
