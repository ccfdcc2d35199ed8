// How a Consul is reached, as the file says it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../config.ts';

const FILE = '/etc/sluice/sluice.yaml';

function settingsOf(keys: string, kind = 'consul'): unknown {
  return parseConfig(`registry: { ${kind}: { ${keys} } }`, FILE, {}).registry.settings;
}

const PLAIN = { token: '', tokenFile: '', tls: undefined, datacenter: '', namespace: '' };
const A = { host: '10.0.0.1', port: 8501 };

test('an address alone is plain HTTP, and without more words', () => {
  assert.deepEqual(settingsOf('addresses: 10.0.0.1:8501'), {
    ...{ kind: 'consul', addresses: [A], ...PLAIN },
  });
  assert.deepEqual(
    settingsOf('addresses: "http://10.0.0.1:8501/"'),
    settingsOf('addresses: 10.0.0.1:8501'),
  );
});

test('https:// and tls mean the same, for every kind that asks a Consul', () => {
  const tls = { ca: '', cert: '', key: '', serverName: '', verify: true };
  for (const kind of ['consul', 'consul_services', 'consul_health']) {
    const more = kind === 'consul_health' ? { passing: false, warnings: false } : {};
    const wanted = { kind, addresses: [A], ...PLAIN, tls, ...more };
    assert.deepEqual(settingsOf('addresses: "https://10.0.0.1:8501"', kind), wanted);
    assert.deepEqual(settingsOf('addresses: 10.0.0.1:8501, tls: {}', kind), wanted);
  }
});

test('paths start at the folder of the file', () => {
  const keys = `addresses: 10.0.0.1:8501, token_file: token, datacenter: es8-dc, namespace: team,
    tls: { ca: ca.pem, cert: /c.pem, key: k/k.pem, server_name: server.es8-dc.consul, verify: off }`;
  assert.deepEqual(settingsOf(keys), {
    kind: 'consul',
    addresses: [A],
    token: '',
    tokenFile: '/etc/sluice/token',
    tls: {
      ca: '/etc/sluice/ca.pem',
      cert: '/c.pem',
      key: '/etc/sluice/k/k.pem',
      serverName: 'server.es8-dc.consul',
      verify: false,
    },
    datacenter: 'es8-dc',
    namespace: 'team',
  });
});

const WRONG: readonly (readonly [string, RegExp])[] = [
  ['addresses: ["https://a:1", "b:1"]', /addresses: has some with TLS and some without/],
  ['addresses: "http://a:1", tls: {}', /addresses: has http:\/\/ but there is tls; write https:/],
  ['addresses: "https://a"', /addresses\S*: "a" has no port; write 127/],
  ['addresses: "ftp://a:1"', /addresses\S*: "ftp:\/\/a:1" is a URL; write host:port/],
  ['addresses: "a:1", tls: { cert: c.pem }', /tls: has cert without key/],
  ['addresses: "a:1", token: t, token_file: f', /token_file: excludes token; keep one/],
  ['addresses: "a:1", datacenter: "a b"', /datacenter: "a b" is no such name/],
  ['addresses: "a:1", ca_file: x', /ca_file.*write tls: \{ ca: ca\.pem \}/],
  ['addresses: "a:1", scheme: https', /scheme.*write https:\/\/ in front/],
];

for (const [keys, words] of WRONG) {
  test(`${keys} is refused with its remedy`, () => {
    assert.throws(() => settingsOf(keys), { code: 'config_invalid', message: words });
  });
}
