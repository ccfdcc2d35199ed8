// The configuration that a release keeps in its journal is enough to go on with it, and holds no secret.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../config.ts';
import { begunWith } from '../../../release.ts';
import { originOf, serviceOf } from '../service.ts';

const YAML = `
state_dir: state
admin: { token: the-token-of-the-gateway }
hosts:
  app-1: { address: 10.0.0.11, ssh: deploy@10.0.0.11 }
upstreams:
  app: { check: { type: http, path: /health } }
  other: { servers: ["127.0.0.1:1"] }
routes: [{ path: /, upstream: app }]
services:
  app:
    hosts: [app-1]
    ports: [9000, 9001]
    start: [node, app.js, "{port}"]
    cwd: /srv/app
    env: { DATABASE: env:DATABASE_URL }
    on_failure: rollback
  second: { upstream: other, instances: ["127.0.0.1:2"], start: x }
`;

test('what a release keeps of its configuration gives the same service again', () => {
  const config = parseConfig(YAML, '/srv/ci/sluice.yaml', { DATABASE_URL: 'postgres://secret' });
  const service = serviceOf(config, 'app');
  const origin = originOf(config, service);
  const text = JSON.stringify(origin);
  assert.doesNotMatch(text, /the-token|postgres|second|other/);
  const begin = {
    kind: 'begin',
    data: { settings: { force: true, allowDowntime: false, origin } },
  };
  const begun = begunWith([begin]);
  assert.deepEqual([begun.force, begun.allowDowntime], [true, false]);
  assert(begun.origin !== null);
  const again = serviceOf(parseConfig(begun.origin.text, begun.origin.file), 'app');
  assert.deepEqual({ ...again }, { ...service });
});

test('a release without one is gone on with by the configuration of now', () => {
  assert.equal(begunWith([]).origin, null);
  assert.equal(begunWith([{ kind: 'begin', data: { settings: { origin: null } } }]).origin, null);
});
