import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALONE, SHARED } from '../../test/support/base/scopes.ts';
import { idleMeaning, notAsked, seenBy } from './scope.ts';
import { isLoopback } from './units.ts';

test('alone, an idle server is safe to stop as far as this gateway goes', () => {
  assert.equal(idleMeaning(ALONE), 'safe to stop: this gateway sends it nothing more');
  assert.equal(notAsked(ALONE), '');
  assert.equal(seenBy(ALONE), 'pid 100 on web-1');
});

test('beside others, an idle server is idle here, and who was not asked is named', () => {
  assert.equal(
    idleMeaning(SHARED),
    'on this gateway only (pid 100 on web-1); other gateways that follow the Consul at 10.0.0.1:8500 were not asked and may still send it requests',
  );
  assert.equal(
    seenBy(SHARED),
    'pid 100 on web-1 only; other gateways that follow the Consul at 10.0.0.1:8500 were not asked',
  );
});

for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', '0:0:0:0:0:0:0:1']) {
  test(`${host} is loopback`, () => assert.equal(isLoopback(host), true));
}
for (const host of ['::ffff:127.0.0.1', '::ffff:7f00:1']) {
  test(`${host}, an IPv4 address in IPv6, is loopback`, () => assert.equal(isLoopback(host), true));
}
for (const host of [
  '0.0.0.0',
  '::',
  '10.0.0.1',
  '::ffff:10.0.0.1',
  'fe80::1',
  'web-1',
  '128.0.0.1',
]) {
  test(`${host} is not loopback`, () => assert.equal(isLoopback(host), false));
}
