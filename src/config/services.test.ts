import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageOf } from '../base/errors.ts';
import { parseConfig } from './load.ts';
import type { ServersIn } from './types.ts';

function placeOf(text: string): ServersIn | undefined {
  const service = 'services: { app: { instances: ["127.0.0.1:1"], start: x } }';
  return parseConfig(`${text}\n${service}`, 's.yaml', {}).services[0]?.serversIn;
}

function problemOf(env: string): string {
  try {
    const services = `services: { app: { instances: ["127.0.0.1:1"], start: x, ${env} } }`;
    parseConfig(`upstreams: { app: {} }\n${services}`, 's.yaml', {});
    return '';
  } catch (error) {
    return messageOf(error);
  }
}

test('a reference in env is read when somebody deploys, but is one from the beginning', () => {
  assert.equal(problemOf('env: { A: "env:NOT_SET", B: "file:./dev.db" }'), '');
  assert.match(problemOf('env: { A: "env:no name" }'), /"env:no name" does not name a variable/);
  assert.match(problemOf('inherit_env: [A-B]'), /"A-B" is not a variable name/);
  assert.equal(problemOf('inherit_env: all'), '');
});

test('verify is left out, or has its defaults', () => {
  const verifyOf = (text: string) =>
    parseConfig(
      `upstreams: { app: {} }\nservices: { app: { instances: ["127.0.0.1:1"], start: x, ${text} } }`,
      's.yaml',
      {},
    ).services[0]?.verify;
  assert.equal(verifyOf(''), null);
  const initial = {
    ...{ windowMs: 30_000, minRequests: 20, minErrors: 3, errorShareMax: 0.01, vsPeers: 3 },
    onTooFew: 'pass',
  };
  assert.deepEqual(verifyOf('verify: {}'), initial);
  assert.deepEqual(verifyOf('verify: { max_5xx: 0.5%, vs_peers: 1.5, on_too_few: fail }'), {
    ...initial,
    ...{ errorShareMax: 0.005, vsPeers: 1.5, onTooFew: 'fail' },
  });
  assert.equal(verifyOf('verify: { max_5xx: 0 }')?.errorShareMax, 0);
  for (const [text, problem] of [
    ['max_5xx: 1', /1 has no sign: a share needs one; write 1%/],
    ['max_5xx: "5"', /5 has no sign/],
    ['max_5xx: 101%', /"101%" is not a share; write 0% to 100%, like 1%/],
    ['vs_peers: 3x', /"3x" is not a number from 0 to 1000; write one like 3/],
    ['vs_peers: -1', /-1 is not a number from 0 to 1000/],
    ['window: 0', /0 is too short/],
  ] as const) {
    assert.match(problemOf(`verify: { ${text} }`), problem);
  }
});

test('a time to be stable fits into the deadline', () => {
  assert.equal(problemOf('check: { stable: 5s }'), '');
  assert.match(
    problemOf('check: { stable: 5s, deadline: 5s }'),
    /services\.app\.check\.stable: does not fit into the deadline of 5s/,
  );
});

test('a service knows where people add a server of its upstream', () => {
  const at = (recordPrefix: string): ServersIn => ({ recordPrefix });
  assert.deepEqual(placeOf('upstreams: { app: {} }'), at('upstreams/app/'));
  const prod = 'registry: { prefix: prod/ }\nupstreams: { app: {} }';
  assert.deepEqual(placeOf(prod), at('prod/app/'));
  const inFile = { place: "upstreams.app.servers of the gateway's configuration" };
  const own = 'upstreams: { app: { registry: false, servers: ["127.0.0.1:1"] } }';
  assert.deepEqual(placeOf(own), inFile);
  const none = 'registry: { none: true }\nupstreams: { app: { servers: ["127.0.0.1:1"] } }';
  assert.deepEqual(placeOf(none), inFile);
});

test('hooks and receivers are read to their meaning', () => {
  const keys = `hooks: { before_stop: ./a b, after_start: { on: host, run: x, timeout: 5s } }
    notify: [{ slack: "cmd:pass slack" }, { webhook: "https://h.example/", secret: env:S, on: failed }]`;
  const [service] = parseConfig(
    `upstreams: { app: {} }\nservices:\n  app:\n    instances: 127.0.0.1:1\n    start: x\n    ${keys}\n`,
    's.yaml',
    {},
  ).services;
  assert.deepEqual(service?.hooks, {
    beforeRelease: null,
    beforeStop: { on: 'local', command: './a b', timeoutMs: 60_000 },
    afterStart: { on: 'host', command: 'x', timeoutMs: 5000 },
    afterRelease: null,
    onFailure: null,
  });
  assert.deepEqual(service?.notify, [
    {
      ...{ kind: 'slack', url: 'cmd:pass slack', secret: '', timeoutMs: 5000 },
      on: ['approval', 'succeeded', 'failed', 'interrupted'],
    },
    {
      ...{ kind: 'webhook', url: 'https://h.example/', secret: 'env:S', timeoutMs: 5000 },
      on: ['failed'],
    },
  ]);
});

test('where a release waits for a person is a point, several, or the section', () => {
  const approveOf = (value: string) =>
    parseConfig(
      `upstreams: { app: {} }\nservices:\n  app:\n    instances: 127.0.0.1:1\n    start: x\n    approve: ${value}\n`,
      's.yaml',
      {},
    ).services[0]?.approve;
  assert.deepEqual(approveOf('rest'), { before: ['rest'], timeoutMs: 3_600_000 });
  assert.deepEqual(approveOf('{ before: [first, rest], timeout: 10m }'), {
    before: ['first', 'rest'],
    timeoutMs: 600_000,
  });
  assert.throws(() => approveOf('last'), /is not a choice; known here: first, rest/);
});
