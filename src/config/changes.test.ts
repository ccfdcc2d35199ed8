// What a reload says has changed in the file.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentChanges } from './changes.ts';

test('each key that differs is named with both values, and nothing else is', () => {
  const last = { workers: 2, timeouts: { read_timeout: '60s', send_timeout: '5s' }, old: [1] };
  const next = { workers: 2, timeouts: { read_timeout: '30s', send_timeout: '5s' }, limits: {} };
  assert.deepEqual(documentChanges(last, next), [
    { path: 'timeouts.read_timeout', from: '"60s"', to: '"30s"' },
    { path: 'old', from: '[1]', to: '' },
    { path: 'limits', from: '', to: '{}' },
  ]);
  assert.deepEqual(documentChanges(last, structuredClone(last)), []);
});

test('of a list of addresses those that come and go are named', () => {
  const of = (...servers: readonly unknown[]) => ({ upstreams: { 'a b': { servers } } });
  const path = 'upstreams["a b"].servers';
  assert.deepEqual(documentChanges(of('x:1', 'x:2', 'x:3'), of('x:2', 'x:3', 'x:4')), [
    { path, from: '"x:1"', to: '' },
    { path, from: '', to: '"x:4"' },
  ]);
  assert.deepEqual(documentChanges(of('x:1', 'x:2'), of('x:2', 'x:1')), [
    { path, from: '["x:1","x:2"]', to: '["x:2","x:1"]' },
  ]);
  assert.deepEqual(documentChanges(of({ weight: 1 }, { weight: 2 }), of({ weight: 1 }, 'x:1')), [
    { path: `${path}[1]`, from: '{"weight":2}', to: '"x:1"' },
  ]);
  assert.deepEqual(documentChanges(of({ weight: 1 }), of({ weight: 1 }, { weight: 3 })), [
    { path: `${path}[1]`, from: '', to: '{"weight":3}' },
  ]);
});

test('a secret is not shown, and a reference to it is', () => {
  const last = { admin: { token: 'one', tokens: [{ token: 'a' }] } };
  const next = {
    admin: { token: 'env:TOKEN', tokens: [{ token: 'b' }] },
    services: { app: { env: { KEY: 'k1' }, port: 1 } },
  };
  assert.deepEqual(documentChanges(last, next), [
    { path: 'admin.token', from: '(not shown)', to: '"env:TOKEN"' },
    { path: 'admin.tokens[0].token', from: '(not shown)', to: '(not shown)' },
    { path: 'services', from: '', to: '{"app":{"env":"…","port":1}}' },
  ]);
});

test('a long value is cut', () => {
  const [change] = documentChanges({}, { via: 'x'.repeat(1000) });
  assert.equal(change?.to.length, 81);
});
