// Hosts, and where the instances of a service are.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageOf } from '../base/errors.ts';
import { parseConfig } from './load.ts';
import type { ServiceConfig } from './types.ts';

const HOSTS = `hosts:
  app-1: { address: 10.0.0.11, ssh: deploy@10.0.0.11 }
  App-2: { address: app-2.lan, ssh: { target: "[fd00::2]", port: 2222, identity: key, config: ssh.conf, strict: accept-new } }
  here: { address: 10.0.0.1 }
`;

function service(keys: string, hosts = HOSTS): ServiceConfig {
  const text = `${hosts}upstreams: { app: {} }\nservices: { app: { start: x, ${keys} } }`;
  const [found] = parseConfig(text, '/etc/sluice/s.yaml', {}).services;
  assert(found !== undefined);
  return found;
}

function problem(keys: string, hosts = HOSTS): string {
  try {
    service(keys, hosts);
    return '';
  } catch (error) {
    return messageOf(error).replace('/etc/sluice/s.yaml:', '');
  }
}

function places({ instances }: ServiceConfig): string[] {
  return instances.map(({ id, hostName }) => `${id} on ${hostName || 'us'}`);
}

test('instances are on each port of each host, host after host', () => {
  assert.deepEqual(places(service('hosts: [App-2, app-1], ports: [9000, 9001], cwd: /srv')), [
    'app-2.lan:9000 on App-2',
    'app-2.lan:9001 on App-2',
    '10.0.0.11:9000 on app-1',
    '10.0.0.11:9001 on app-1',
  ]);
  assert.deepEqual(places(service('hosts: here, ports: 9000')), ['10.0.0.1:9000 on here']);
});

test('a listed instance names its host, or says its address; any other is on our own machine', () => {
  const listed = service(
    'instances: ["app-1:1", "App-2:2", "app-2.lan:3", "10.9.9.9:4"], cwd: /srv',
  );
  assert.deepEqual(places(listed), [
    '10.0.0.11:1 on app-1',
    'app-2.lan:2 on App-2',
    'app-2.lan:3 on App-2',
    '10.9.9.9:4 on us',
  ]);
});

test('what ssh needs to know is read', () => {
  const { hosts } = service('hosts: here, ports: 1');
  const none = { identity: '', config: '', strict: '' };
  const first = { destination: 'deploy@10.0.0.11', port: 0, ...none };
  assert.deepEqual(hosts.get('app-1')?.ssh, first);
  assert.deepEqual(hosts.get('App-2')?.ssh, {
    destination: 'fd00::2',
    port: 2222,
    identity: '/etc/sluice/key',
    config: '/etc/sluice/ssh.conf',
    strict: 'accept-new',
  });
  assert.equal(hosts.get('here')?.ssh, null);
  const other = service(
    'hosts: a, ports: 1, cwd: /srv',
    'hosts: { a: { address: a, ssh: "b:22" } }\n',
  );
  assert.deepEqual(other.hosts.get('a')?.ssh, { destination: 'b', port: 22, ...none });
});

test('the folder of logs on a host is in the home of its user, or where the file says', () => {
  const keys = 'hosts: app-1, ports: 1, cwd: /srv';
  assert.equal(service(keys).remoteRunDir, '.sluice/run');
  assert.equal(service(`${keys}, run_dir: /var/lib/app`).remoteRunDir, '/var/lib/app');
  assert.equal(service(`${keys}, run_dir: logs`).remoteRunDir, '.sluice/logs');
});

for (const [keys, said] of [
  ['', 'services.app.instances: is missing; write it, or hosts: [app-1] and ports: [9001]'],
  ['hosts: [app-1]', 'services.app.hosts: has no ports beside it; write ports: [9001]'],
  ['ports: [1]', 'services.app.ports: has no hosts beside it; write hosts: [app-1]'],
  [
    'hosts: [here], ports: [1], instances: ["10.0.0.1:2"]',
    'services.app.instances: is given beside hosts; keep one of the two',
  ],
  [
    'ports: [1], instances: ["10.0.0.1:2"]',
    'services.app.ports: belongs to hosts, and instances have ports of their own; remove it',
  ],
  ['hosts: [app1], ports: [1]', 'services.app.hosts[0]: "app1" is no host; did you mean "app-1"?'],
  ['hosts: [here, here], ports: [1]', 'services.app.hosts[1]: here is listed already; remove one'],
  ['hosts: [here], ports: [1, 1]', 'services.app.ports[1]: 1 is listed already; remove one'],
  [
    'instances: ["here:1", "10.0.0.1:1"]',
    'services.app.instances[1]: 10.0.0.1:1 is listed already; remove one',
  ],
  ['hosts: [here], ports: [0]', /services.app.ports\[0\]: 0 is not a whole number from 1 to 65535/],
  [
    'hosts: [app-1], ports: [1]',
    'services.app: the cwd is no absolute path, and app-1 is behind ssh; write cwd: /srv/app, the folder there',
  ],
  [
    'instances: ["app-1:1"], cwd: dist',
    'services.app.cwd: "dist" is no absolute path, and app-1 is behind ssh; write cwd: /srv/app, the folder there',
  ],
  [
    'host: local, instances: ["10.0.0.1:1"]',
    /services.app.host: unknown key; did you mean "hosts"/,
  ],
] as const) {
  test(`a service with ${keys || 'nothing'} is refused`, () => {
    const text = problem(keys);
    if (typeof said === 'string') assert.equal(text.replace(/^\d+:\d+: /, ''), said);
    else assert.match(text, said);
  });
}

for (const [host, said] of [
  ['ssh: a', 'hosts.a.address: is missing; write it'],
  ['address: "1.2.3.4:22"', 'hosts.a.address: "1.2.3.4:22" has a port; write the host alone'],
  ['address: "u@1.2.3.4"', 'hosts.a.address: "u@1.2.3.4" has a user; write it in ssh: "u@1.2.3.4"'],
  ['address: a b', 'hosts.a.address: "a b" is not a host; write an IP address or a host name'],
  ['address: a, ssh: "-oProxyCommand=x"', '"-oProxyCommand=x" has options of ssh'],
  ['address: a, ssh: "u@a -p 22"', '"u@a -p 22" has options of ssh'],
  ['address: a, ssh: "ssh://u@a:22"', '"ssh://u@a:22" is a URL; write u@a:22'],
  ['address: a, ssh: "u@-a"', '"u@-a" is not user@host; write one like deploy@10.0.0.11'],
  ['address: a, ssh: "-u@a"', '"-u@a" has options'],
  ['address: a, ssh: "u@a:70000"', '"u@a:70000" is not user@host'],
  ['address: a, ssh: { target: u@a, strict: no }', '"no" is not a choice'],
  ['adress: a', 'hosts.a.adress: unknown key; did you mean "address"?'],
] as const) {
  test(`a host with ${host} is refused`, () => {
    const text = problem('instances: ["127.0.0.1:1"]', `hosts: { a: { ${host} } }\n`);
    assert(text.includes(said), text);
  });
}

test('an address that two hosts have does not say which is meant', () => {
  const twins = 'hosts: { a: { address: 10.0.0.1 }, b: { address: 10.0.0.1, ssh: b } }\n';
  assert.match(
    problem('instances: ["10.0.0.1:1"]', twins),
    /10\.0\.0\.1:1 may be on a or b; write the name, as a:1/,
  );
});

test('two services do not start on one port of one host', () => {
  const text = `${HOSTS}upstreams: { a: {}, b: {} }
services:
  a: { start: x, instances: ["10.0.0.1:1"] }
  b: { start: x, hosts: here, ports: 1 }`;
  assert.throws(() => parseConfig(text, 's.yaml', {}), /10\.0\.0\.1:1 is an instance of a already/);
});
