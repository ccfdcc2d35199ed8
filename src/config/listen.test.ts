// Listeners: the short form, TLS, redirects, and what has no meaning together.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../config.ts';

const listenOf = (yaml: string) => parseConfig(yaml, '/etc/sluice/sluice.yaml').gateway.listen;

test('an address alone, a list of them, and maps', () => {
  assert.deepEqual(listenOf('listen: 127.0.0.1:80'), [
    { id: '127.0.0.1:80', host: '127.0.0.1', port: 80 },
  ]);
  const [plain, tls, redirect] = listenOf(`
listen:
  - 127.0.0.1:8080
  - { address: 0.0.0.0:8443, tls: { certificates: [{ cert: a.pem, key: /k/a.key }], min_version: 1.3 } }
  - { address: 0.0.0.0:80, redirect_to_https: on }
`);
  assert.equal(plain?.tls, undefined);
  assert.deepEqual(tls?.tls, {
    certificates: [{ cert: '/etc/sluice/a.pem', key: '/k/a.key' }],
    minVersion: '1.3',
    unknownNames: 'default',
    clientCa: '',
    clientCertificate: 'required',
    passesClientCertificate: false,
    hsts: '',
  });
  assert.equal(redirect?.redirectPort, 8443, 'the port of the listener with TLS');
});

test('a redirect without a listener of ours goes to 443, or where it is told to', () => {
  const ports = (more: string) =>
    listenOf(`listen: [{ address: 0.0.0.0:80${more} }]`)[0]?.redirectPort;
  assert.equal(ports(', redirect_to_https: on'), 443);
  assert.equal(ports(', redirect_to_https: on, https_port: 8443'), 8443);
  assert.equal(ports(''), undefined);
});

const CERTIFICATE = 'certificates: [{ cert: a, key: b }]';

for (const [what, listener, problem] of [
  [
    'an old version',
    `tls: { ${CERTIFICATE}, min_version: "1.1" }`,
    /tls\.min_version: "1.1" is not a version of TLS/,
  ],
  ['no certificate', 'tls: { certificates: [] }', /tls\.certificates: is empty/],
  ['no key', 'tls: { certificates: [{ cert: a }] }', /certificates\[0\]\.key: is missing/],
  [
    'no key of nginx',
    'tls: { ssl_certificate: a }',
    /ssl_certificate: unknown key; write certificates:/,
  ],
  ['https to https', `tls: { ${CERTIFICATE} }, redirect_to_https: on`, /from https to https/],
  ['a port without a redirect', 'https_port: 443', /is for redirect_to_https alone/],
  [
    'client rules without authorities',
    `tls: { ${CERTIFICATE}, client_certificate: optional }`,
    /client_certificate: needs client_ca/,
  ],
  [
    'a header without authorities',
    `tls: { ${CERTIFICATE}, pass_client_certificate: on }`,
    /pass_client_certificate: needs client_ca/,
  ],
  [
    'a field that is no HSTS',
    `tls: { ${CERTIFICATE}, hsts: "on" }`,
    /hsts: "on" is no such value; write "max-age=SECONDS"/,
  ],
] as const) {
  test(`refuses ${what}`, () => {
    assert.throws(() => listenOf(`listen: [{ address: 127.0.0.1:1, ${listener} }]`), {
      code: 'config_invalid',
      message: problem,
    });
  });
}

test('two listeners on one address are refused, with TLS too', () => {
  const yaml = `listen: [127.0.0.1:1, { address: 0.0.0.0:1, tls: { ${CERTIFICATE} } }]`;
  assert.throws(() => listenOf(yaml), /give one of them another port/);
});
