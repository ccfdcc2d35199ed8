// Configuration files, wrong ones (bad-files.txt) and right ones, and how they are found and read.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isSluiceError, messageOf } from '../base/errors.ts';
import { ROUND_ROBIN } from '../model.ts';
import { defaultConfig, loadConfig, parseConfig } from './load.ts';

const ENVIRONMENT = { WITH_BLANK: 'a b', TOKEN: 's3cret' };

for (const { name, text, problems } of badFiles()) {
  test(`refuses ${name}`, () => {
    assert.deepEqual(problemsOf(text), problems);
  });
}

test('echoes nothing of a file that is no configuration', () => {
  const secrets = badFiles().filter(({ text }) => text.includes('hunter'));
  assert.ok(secrets.length >= 6);
  for (const { text } of secrets) assert.doesNotMatch(problemsOf(text).join('\n'), /hunter/);
});

test('says of a text where a map with a token belongs that it is a text', () => {
  assert.deepEqual(problemsOf('admin: s3cret'), [
    '1:8: admin: text where a map of keys belongs; write admin: { listen: 127.0.0.1:8700 }',
  ]);
});

test('says at most ten things about a file of another program that has a key of ours', () => {
  const compose = `services:
  web: { image: x, ports: ["80:80"], environment: { PASSWORD: hunter2 }, depends_on: [db], command: x }
  db: { image: x, ports: ["1:1"], environment: { PASSWORD: hunter2 }, volumes: [a] }
volumes: {}
networks: {}
version: "3"
`;
  const problems = problemsOf(compose);
  assert.equal(problems.length, 11);
  assert.match(problems.at(-1) ?? '', /^and \d+ more problems$/);
  assert.doesNotMatch(problems.join('\n'), /hunter/);
});

test('names a binary file as one, and says no more', async (t) => {
  const folder = await temporaryFolder(t);
  for (const bytes of [Buffer.from('listen\0hunter2'), Buffer.from([0x1f, 0x8b, 8, 0, 0xff])]) {
    await writeFile(join(folder, 'f'), bytes);
    await assert.rejects(loadConfig(join(folder, 'f')), {
      code: 'config_invalid',
      message: `${join(folder, 'f')} is a binary file; name the configuration with -c`,
    });
  }
});

test('knows at least sixty ways to be wrong', () => {
  assert.ok(badFiles().length >= 60);
});

test('refuses an empty file', () => {
  assert.deepEqual(problemsOf(''), [
    '1:1: the file is empty; write at least one key, or run without a file for the defaults',
  ]);
});

test('refuses tabs as indentation', () => {
  assert.deepEqual(problemsOf('admin:\n\tlisten: 127.0.0.1:8700\n'), [
    '2:1: a tab cannot indent YAML; use two spaces',
  ]);
});

test('refuses nesting that would overflow the stack', () => {
  assert.deepEqual(problemsOf(`x-a: ${'['.repeat(50_000)}`), [
    '1:1: is nested too deeply; flatten it',
  ]);
});

test('counts lines right with CRLF line ends and a byte order mark', () => {
  assert.deepEqual(problemsOf('\ufeffworkers: 1\r\nlisten: 8080\r\n'), [
    '2:9: listen: 8080 is a port without a host; write 127.0.0.1:8080',
  ]);
});

test('lists ten problems and counts the rest', () => {
  const servers = Array.from({ length: 130 }, (_, index) => `      - bad${index}\n`).join('');
  const lines = problemsOf(`upstreams:\n  app:\n    servers:\n${servers}`);
  assert.equal(lines.length, 11);
  assert.equal(lines.at(-1), 'and 120 more problems');
});

test('hands the problems over as data too', () => {
  assert.throws(() => parseConfig('workers: 0', 'f'), {
    code: 'config_invalid',
    details: {
      file: 'f',
      count: 1,
      problems: [
        {
          line: 1,
          column: 10,
          path: 'workers',
          message: '0 is not a number of workers; write one from 1 to 256, or auto',
        },
      ],
    },
  });
});

test('never shows a secret', () => {
  const text =
    'admin: { token: "hunter2 hunter3" }\nregistry: { consul: { addresses: 127.0.0.1:1, token: env:WITH_BLANK } }';
  const message = problemsOf(text).join('\n');
  assert.match(message, /admin\.token/);
  assert.match(message, /consul\.token/);
  assert.doesNotMatch(message, /hunter|a b/);
});

test('the path of a file of servers starts at the folder of the configuration', () => {
  for (const [path, expected] of [
    ['servers.yaml', '/etc/sluice/servers.yaml'],
    ['../run/servers.json', '/etc/run/servers.json'],
    ['/srv/servers.yaml', '/srv/servers.yaml'],
  ] as const) {
    const text = `registry: { file: { path: ${path} } }`;
    const { settings, serversIn } = parseConfig(text, '/etc/sluice/sluice.yaml', {}).registry;
    assert.deepEqual(settings, { kind: 'file', path: expected });
    assert.equal(serversIn, `the file ${expected}`);
  }
});

test('reads the defaults without a file', () => {
  const config = defaultConfig({});
  assert.equal(config.file, '');
  assert.equal(config.workers, 1);
  assert.deepEqual(config.gateway.listen, [
    { id: '127.0.0.1:8080', host: '127.0.0.1', port: 8080 },
  ]);
  assert.deepEqual(config.admin, {
    ...{ listen: { host: '127.0.0.1', port: 8700 }, token: '', tokens: [], tls: null },
    auditLog: join(config.stateDir, 'audit.log'),
    startsReleases: false,
  });
  assert.deepEqual(config.registry.settings, {
    kind: 'embedded',
    listen: { host: '127.0.0.1', port: 8500 },
    dataDir: resolve('.sluice/registry'),
    token: '',
    datacenter: 'dc1',
    nodeName: hostname(),
  });
  assert.deepEqual(config.routes, [{ host: '', path: '/', upstream: 'app' }]);
  assert.equal(config.upstreams.length, 1);
  assert.deepEqual(config.warnings, []);
});

test('reads every key to its meaning', () => {
  const config = parse(`
x-common: &common { max_fails: 3, fail_timeout: 1m30s }
state_dir: state
workers: auto
shutdown_timeout: 5s
log_level: debug
listen: [127.0.0.1:0, "[::1]:8081"]
admin: { listen: 0.0.0.0:8700, token: env:TOKEN }
registry:
  consul: { addresses: [127.0.0.1:8501, consul.local:8500], token: s3cret }
  prefix: lb/
  strong_dependency: on
upstreams:
  app:
    balance: least_conn
    slow_start: 30s
    max_ejected: 50%
    panic_threshold: 25%
    allow_empty: true
    servers:
      - 127.0.0.1:9001
      - { <<: *common, address: "[::1]:9002", weight: 5, max_conns: 10, backup: on, down: off }
    check: { path: /ping, interval: 500ms, timeout: 2s, rise: 1, fall: 5, default_down: off, port: 99, expect: http_4xx }
  raw:
    registry: off
    servers: 127.0.0.1:9003
    check: { type: tcp }
routes:
  - { host: App.Example, upstream: app }
  - { host: "*.example", path: /api, upstream: raw }
limits: { max_uri_size: 16k, client_max_body_size: 1m }
timeouts: { send_timeout: 1m }
proxy: { tries: 2, trusted_proxies: 10.0.0.0/8, upgrade: [], access_log: logs/access.log, via: on }
services:
  app:
    instances: 127.0.0.1:9001
    start: node demo/app.ts  -p {port}
    env: { VERSION: "{version}" }
    expect_version: { header: x-app-version }
    guard: { min_healthy_percent: 0 }
`);
  assert.equal(config.stateDir, '/etc/sluice/state');
  assert.equal(config.workers, availableParallelism());
  assert.deepEqual(config.gateway.listen, [
    { id: '127.0.0.1:0', host: '127.0.0.1', port: 0 },
    { id: '[::1]:8081', host: '::1', port: 8081 },
  ]);
  assert.equal(config.admin.token, 's3cret');
  assert.deepEqual(config.registry, {
    name: 'default',
    settings: {
      kind: 'consul',
      addresses: [
        { host: '127.0.0.1', port: 8501 },
        { host: 'consul.local', port: 8500 },
      ],
      ...{ token: 's3cret', tokenFile: '', tls: undefined, datacenter: '', namespace: '' },
    },
    serversIn: undefined,
    prefix: 'lb/',
    strongDependency: true,
    gateways: { prefix: 'sluice/', leaseMs: 10_000, forgetMs: 3_600_000 },
  });
  const [app, raw] = config.upstreams;
  assert.deepEqual(app, {
    name: 'app',
    balancing: { ...ROUND_ROBIN, method: 'least_conn' },
    slowStartMs: 30_000,
    maxEjected: 0.5,
    panicThreshold: 0.25,
    follows: [{ registry: 'default', service: 'app' }],
    writeDown: 'auto',
    allowEmpty: true,
    servers: [
      {
        id: '127.0.0.1:9001',
        host: '127.0.0.1',
        port: 9001,
        weight: 1,
        maxFails: 1,
        failTimeoutMs: 10_000,
        maxConns: 0,
        backup: false,
        down: false,
      },
      {
        id: '[::1]:9002',
        host: '::1',
        port: 9002,
        weight: 5,
        maxFails: 3,
        failTimeoutMs: 90_000,
        maxConns: 10,
        backup: true,
        down: false,
      },
    ],
    check: {
      type: 'http',
      intervalMs: 500,
      timeoutMs: 2000,
      rise: 1,
      fall: 5,
      defaultDown: false,
      port: 99,
      reads: 'answer',
      send: 'GET /ping HTTP/1.1\r\nHost: {id}\r\nConnection: close\r\nUser-Agent: sluice-check\r\n\r\n',
      expect: ['http_4xx'],
    },
  });
  assert.equal(raw?.check?.type, 'tcp');
  assert.equal(raw?.check?.fall, 3);
  assert.deepEqual(config.routes, [
    { host: 'app.example', path: '/', upstream: 'app' },
    { host: '*.example', path: '/api', upstream: 'raw' },
  ]);
  assert.equal(config.gateway.limits.uriBytesMax, 16_384);
  assert.equal(config.gateway.limits.bodyBytesMax, 1_048_576);
  assert.equal(config.gateway.timeouts.sendMs, 60_000);
  assert.deepEqual(config.gateway.upgrade, []);
  assert.equal(config.gateway.accessLog, '/etc/sluice/logs/access.log');
  const [service] = config.services;
  assert.deepEqual(service?.start, ['node', 'demo/app.ts', '-p', '{port}']);
  assert.deepEqual(service?.env, { VERSION: '{version}' });
  assert.equal(service?.cwd, '/etc/sluice');
  assert.equal(service?.runDir, '/etc/sluice/state/run');
  assert.equal(service?.versionHeader, 'x-app-version');
  assert.equal(service?.minHealthyPercent, 0);
  assert.equal(service?.checkDeadlineMs, 120_000);
});

test("a service's check takes what is left out from the upstream's, key by key", () => {
  const requestOf = (upstream: string, service: string) => {
    const config = parse(`upstreams: { app: { servers: 127.0.0.1:9001, check: ${upstream} } }
services: { app: { instances: 127.0.0.1:9001, start: x, check: ${service} } }`);
    const { checkPath, checkRequest } = config.services[0] ?? assert.fail();
    const host = /Host: (.*)\r/.exec(checkRequest.send)?.[1];
    const own = /x-a: .*(?=\r)/.exec(checkRequest.send)?.[0] ?? '';
    return `${checkPath} ${host} ${checkRequest.port} ${own} ${checkRequest.expect}`;
  };
  const full =
    '{ path: /up, host: up.example, port: 9100, headers: { x-a: up }, expect: http_2xx }';
  const plain = '/ping {id} 0  http_2xx,http_3xx';
  assert.equal(requestOf('{}', '{}'), plain);
  assert.equal(requestOf('{ type: tcp, port: 9100 }', '{}'), plain);
  assert.equal(requestOf('{ send: "GET /x HTTP/1.0\\r\\n\\r\\n", expect: http_4xx }', '{}'), plain);
  assert.equal(requestOf('{ host: up.example }', '{}'), '/ up.example 0  http_2xx,http_3xx');
  assert.equal(requestOf(full, '{}'), '/up up.example 9100 x-a: up http_2xx');
  assert.equal(
    requestOf(
      full,
      '{ path: /x, host: x.example, port: 0, headers: { x-a: x }, expect: http_3xx }',
    ),
    '/x x.example 0 x-a: x http_3xx',
  );
});

test('warns when instances of one host are asked at one port', () => {
  const text = (more: string) => `upstreams: { app: { servers: [127.0.0.1:1, 127.0.0.1:2] } }
services: { app: { instances: [127.0.0.1:1${more}], start: x, check: { port: 9 } } }`;
  assert.deepEqual(parse(text('')).warnings, []);
  assert.deepEqual(parse(text(', 127.0.0.1:2')).warnings, [
    '/etc/sluice/f:2:84: services.app.check.port: instances of one host are all asked at port 9, so one may answer for another; write port: 0 here to ask each at its own port',
  ]);
});

test('pages beside the one upstream take nothing else away from it', () => {
  const { routes } = parse(`routes:
  - { host: Status.example, page: upstream_status }
  - { path: /upstream_list, page: upstream_list, allow: [10.0.0.0/8, "fd00::/8"] }
`);
  assert.deepEqual(routes, [
    {
      host: 'status.example',
      path: '/',
      page: 'upstream_status',
      allow: ['127.0.0.0/8', '::1'],
    },
    { host: '', path: '/upstream_list', page: 'upstream_list', allow: ['10.0.0.0/8', 'fd00::/8'] },
    { host: '', path: '/', upstream: 'app' },
  ]);
});

test('takes a section with nothing under it as all defaults', () => {
  const config = parse('admin:\nlimits:\nupstreams:\n  app:\n    check:\n');
  assert.equal(config.admin.listen.port, 8700);
  assert.equal(config.upstreams[0]?.check?.send, 'GET / HTTP/1.0\r\n\r\n');
});

test('takes on, off, true and false as switches', () => {
  for (const [word, meaning] of [
    ['on', true],
    ['off', false],
    ['true', true],
    ['false', false],
  ] as const) {
    assert.equal(parse(`proxy: { via: ${word} }`).gateway.via, meaning, word);
    const { accessLog } = parse(`proxy: { access_log: ${word} }`).gateway;
    assert.equal(accessLog, meaning ? '-' : '', word);
  }
});

test('takes a bare 0 where zero means off', () => {
  assert.equal(parse('upstreams: { app: { slow_start: 0 } }').upstreams[0]?.slowStartMs, 0);
});

test('warns without refusing', () => {
  const { warnings } = parse(`registry: { embedded: { listen: 0.0.0.0:8500 } }
upstreams:
  app:
    servers: [{ address: 127.0.0.1:9001, backup: on }]
  raw: { registry: off, servers: 127.0.0.1:9003 }
routes: [{ upstream: app }]
services: { raw: { start: x, instances: [127.0.0.1:9003, 127.0.0.1:9004] } }
proxy: { trusted_proxies: [10.0.0.0/8, 0.0.0.0/0] }
`);
  assert.deepEqual(warnings, [
    '/etc/sluice/f:1:33: registry.embedded.listen: 0.0.0.0:8500 can be reached from other machines and has no access control; anyone there can change the servers: set registry.embedded.token',
    '/etc/sluice/f:8:40: proxy.trusted_proxies[1]: 0.0.0.0/0 trusts everybody: any client can say that it is another',
    '/etc/sluice/f:4:14: upstreams.app.servers: has backup servers alone; they take all requests until the registry has others',
    '/etc/sluice/f:7:58: services.raw.instances[1]: 127.0.0.1:9004 is no server of upstream "raw", which does not follow a registry; it would never get requests',
  ]);
});

test('reads ten thousand servers', () => {
  const servers = Array.from(
    { length: 10_000 },
    (_, index) => `      - 10.0.${index >> 8}.${index & 255}:80\n`,
  ).join('');
  const config = parse(`upstreams:\n  app:\n    servers:\n${servers}`);
  assert.equal(config.upstreams[0]?.servers.length, 10_000);
});

test('reads a secret from the first line of a file', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'token'), 's3cret\nsecond line\n');
  const config = parse(`admin: { token: "file:${join(folder, 'token')}" }`);
  assert.equal(config.admin.token, 's3cret');
});

test('loads a file; relative paths start at its folder', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'sluice.yaml');
  await writeFile(file, 'state_dir: here\n');
  const config = await loadConfig(file);
  assert.equal(config.file, file);
  assert.equal(config.stateDir, join(folder, 'here'));
});

test('a file that is not there is named with the remedy', async (t) => {
  const file = join(await temporaryFolder(t), 'no.yaml');
  await assert.rejects(loadConfig(file), {
    code: 'config_missing',
    message: `${file} does not exist; create it, or name another with -c FILE`,
  });
});

test('a folder in place of a file is named', async (t) => {
  const folder = await temporaryFolder(t);
  await assert.rejects(loadConfig(folder), {
    code: 'config_missing',
    message: `${folder} is a folder; name a file in it, like ${folder}/sluice.yaml`,
  });
});

test('a path through a file is named', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'a'), '');
  await assert.rejects(loadConfig(join(folder, 'a', 'b')), {
    code: 'config_missing',
    message: /\/a\/b cannot be read \(ENOTDIR/,
  });
});

test('a file that this user may not read is named', {
  skip: process.getuid?.() === 0 ? 'root reads everything' : false,
}, async (t) => {
  const file = join(await temporaryFolder(t), 'secret.yaml');
  await writeFile(file, 'workers: 1\n');
  await chmod(file, 0);
  await assert.rejects(loadConfig(file), {
    code: 'config_missing',
    message: /may not be read by this user/,
  });
});

test('a file that is not UTF-8 is refused with the line', async (t) => {
  const file = join(await temporaryFolder(t), 'latin1.yaml');
  await writeFile(file, Buffer.from('workers: 1\nstate_dir: caf\xe9\n', 'latin1'));
  await assert.rejects(loadConfig(file), {
    code: 'config_invalid',
    message: `${file}:2:1: holds bytes that are not UTF-8; save the file as UTF-8`,
  });
});

test('a file of many megabytes is not read to its end', async (t) => {
  const file = join(await temporaryFolder(t), 'large.yaml');
  await writeFile(file, Buffer.alloc(9 * 1024 * 1024, '#'));
  await assert.rejects(loadConfig(file), {
    code: 'config_invalid',
    message: /is larger than 8388608 bytes/,
  });
});

type BadFile = {
  readonly name: string;
  readonly text: string;
  readonly problems: readonly string[];
};

/** The cases of bad-files.txt; its head says how they are written. */
function badFiles(): BadFile[] {
  const [, ...cases] = readFileSync(new URL('bad-files.txt', import.meta.url), 'utf8').split(
    /\n# /,
  );
  return cases.map((text) => {
    const [name = '', ...lines] = text.split('\n');
    const file = lines.filter((line) => !line.startsWith('=> ') && line !== '');
    const problems = lines.filter((line) => line.startsWith('=> ')).map((line) => line.slice(3));
    return { name, text: `${file.join('\n')}\n`, problems };
  });
}

function parse(text: string) {
  return parseConfig(text, '/etc/sluice/f', ENVIRONMENT);
}

/** The lines of the error for this file, without the file's name. */
function problemsOf(text: string): string[] {
  try {
    parse(text);
  } catch (error) {
    assert.ok(isSluiceError(error) && error.code === 'config_invalid', messageOf(error));
    return messageOf(error)
      .split('\n')
      .map((line) => line.replace(/^\/etc\/sluice\/f: ?/, ''));
  }
  return [];
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-config-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}
