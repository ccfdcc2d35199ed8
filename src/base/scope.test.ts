import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALONE, PARTIAL, TOGETHER } from '../../test/support/base/scopes.ts';
import { idleMeaning, notHeard, seenBy } from './scope.ts';
import { isLoopback } from './units.ts';

test('alone, an idle server is safe to stop as far as this gateway goes', () => {
  assert.equal(idleMeaning(ALONE), 'safe to stop: this gateway sends it nothing more');
  assert.equal(notHeard(ALONE), '');
  assert.equal(seenBy(ALONE), 'pid 100 on web-1');
});

test('when all others have confirmed it, an idle server is safe to stop', () => {
  assert.equal(idleMeaning(TOGETHER), 'safe to stop: all 3 gateways send it nothing more');
  assert.equal(notHeard(TOGETHER), '');
  assert.equal(seenBy(TOGETHER), 'pid 100 on web-1, pid 7 on web-2, pid 8 on web-3');
});

test('who was not heard is named, and nothing is called safe', () => {
  assert.equal(
    idleMeaning(PARTIAL),
    'on 2 gateways; not heard: pid 8 on web-3 (silent since 12:00:01Z), and may still send it requests',
  );
  assert.equal(
    idleMeaning({ ...PARTIAL, heard: [] }),
    'on this gateway only (pid 100 on web-1); not heard: pid 8 on web-3 (silent since 12:00:01Z), and may still send it requests',
  );
  assert.equal(
    seenBy(PARTIAL),
    'pid 100 on web-1, pid 7 on web-2 only; not heard: pid 8 on web-3 (silent since 12:00:01Z)',
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
