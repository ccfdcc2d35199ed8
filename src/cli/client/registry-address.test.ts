// What `--registry` and the variables of Consul's own programs mean together.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consulOf } from './registry-address.ts';

const NONE = { token: '', tokenFile: '', tls: undefined, namespace: '' };
const A = { host: '10.0.0.1', port: 8500 };
const B = { host: '10.0.0.2', port: 8500 };

test('addresses alone are plain HTTP', () => {
  assert.deepEqual(consulOf('10.0.0.1:8500, http://10.0.0.2:8500/', {}), {
    addresses: [A, B],
    ...NONE,
  });
});

test('https:// and CONSUL_HTTP_SSL mean TLS, with what the environment says of it', () => {
  const tls = { ca: '', cert: '', key: '', serverName: '', verify: true };
  assert.deepEqual(consulOf('https://10.0.0.1:8500', {}).tls, tls);
  assert.deepEqual(
    consulOf('10.0.0.1:8500', {
      CONSUL_HTTP_SSL: 'true',
      CONSUL_CACERT: '/ca.pem',
      CONSUL_CLIENT_CERT: '/c.pem',
      CONSUL_CLIENT_KEY: '/c.key',
      CONSUL_TLS_SERVER_NAME: 'server.es8-dc.consul',
      CONSUL_HTTP_SSL_VERIFY: 'false',
      CONSUL_HTTP_TOKEN_FILE: '/token',
      CONSUL_NAMESPACE: 'team',
    }),
    {
      addresses: [A],
      token: '',
      tokenFile: '/token',
      tls: {
        ca: '/ca.pem',
        cert: '/c.pem',
        key: '/c.key',
        serverName: 'server.es8-dc.consul',
        verify: false,
      },
      namespace: 'team',
    },
  );
});
