// The section `admin`: what keeps strangers out, and what is only warned of.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../config.ts';

test('tokens, certificate and audit log are resolved', () => {
  const { admin } = parseConfig(
    `state_dir: state
admin:
  tokens: { ci: { role: release, secret: one }, grafana: { secret: env:TWO } }
  tls: { cert: tls/cert.pem, key: /etc/key.pem, client_ca: ca.pem }`,
    '/etc/sluice/sluice.yaml',
    { TWO: 'two' },
  );
  assert.deepEqual(admin.tokens, [
    { name: 'ci', role: 'release', secret: 'one' },
    { name: 'grafana', role: 'read', secret: 'two' },
  ]);
  assert.deepEqual(admin.tls, {
    ...{ cert: '/etc/sluice/tls/cert.pem', key: '/etc/key.pem', clientCa: '/etc/sluice/ca.pem' },
  });
  assert.equal(admin.auditLog, '/etc/sluice/state/audit.log');
  const off = parseConfig('admin: { audit_log: off }', '/etc/sluice/sluice.yaml', {});
  assert.equal(off.admin.auditLog, '');
  const named = parseConfig('admin: { audit_log: a.log }', '/etc/sluice/sluice.yaml', {});
  assert.equal(named.admin.auditLog, '/etc/sluice/a.log');
});

test('beyond loopback something must keep strangers out, and a token alone is warned of', () => {
  const parse = (yaml: string) =>
    parseConfig(`admin: { listen: "0.0.0.0:8700"${yaml} }`, '/etc/s.yaml', {}).warnings;
  assert.throws(() => parse(''), /there is no token; set admin\.token/);
  assert.throws(() => parse(', tls: { cert: c, key: k }'), /there is no token/);
  for (const secret of ['token: one', 'tokens: { ci: { secret: one } }']) {
    assert.match(parse(`, ${secret}`).join(), /without TLS, so whoever listens in between reads/);
    assert.deepEqual(parse(`, ${secret}, tls: { cert: c, key: k }`), []);
  }
  assert.deepEqual(parse(', tls: { cert: c, key: k, client_ca: ca }'), []);
});
