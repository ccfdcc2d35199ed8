// The verbs of the command line that need no daemon: check, kv and registry against a real embedded
// registry, usage errors, help; as real processes.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { formatAddress } from '../src/base/units.ts';
import { freePort } from './support/base/ports.ts';
import { COMMAND, type Ended, sluice, start, temporaryFolder } from './support/cli/process.ts';

import { startEmbedded } from './support/registry/builders.ts';

const KEY = 'upstreams/app/127.0.0.1:9001';

test('prints its version, and help with examples', async () => {
  assert.match((await sluice(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
  const help = await sluice(['--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^Usage: sluice /);
  assert.match(help.stdout, /\nExamples:\n/);
  assert.deepEqual(
    help.stdout.split('\n').filter((line) => line.length > 80),
    [],
  );
});

test('a verb loads no registry when it needs none', () => {
  const watch = `import { registerHooks } from 'node:module';
registerHooks({ load: (url, context, next) => (console.error(url), next(url, context)) });`;
  const hook = `data:text/javascript,${encodeURIComponent(watch)}`;
  const argv = ['--import', hook, COMMAND, 'deploy', '--help'];
  const { stderr, status } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
  assert.equal(status, 0);
  assert.match(stderr, /src\/cli\.ts$/m);
  assert.doesNotMatch(stderr, /src\/registry/);
});

for (const [args, message] of [
  [['sttus'], /^sluice: unknown command 'sttus' \(Did you mean status\?\); see "sluice --help"\n$/],
  [['drain', 'app'], /^sluice: missing required argument 'server'; see "sluice drain --help"\n$/],
  [
    ['drain', 'app', 'a:1', '--wait', '30'],
    /^sluice: --wait "30": write a duration with its unit, like 30s; see "sluice drain --help"\n$/,
  ],
  [
    ['weight', 'app', 'a:1', '0'],
    /^sluice: weight "0": it is a whole number from 1 to 65535; .*; see "sluice weight --help"\n$/,
  ],
  [['start'], /^sluice: unknown command 'start'; "sluice serve" runs the gateway, .*--help"\n$/],
  [['restart'], /^sluice: unknown command 'restart'; stop the "sluice serve" process with TERM/],
  [['disable'], /unknown command 'disable'; "sluice drain UPSTREAM SERVER" takes a server out/],
  [['enable'], /"sluice undrain UPSTREAM SERVER" puts a server back/],
  [['kv', 'set'], /unknown command 'set'; "sluice kv put KEY VALUE" .*see "sluice kv --help"\n$/],
  [['constructor'], /^sluice: unknown command 'constructor'; see "sluice --help"\n$/],
  [['-v'], /^sluice: unknown option '-v'; -V or --version prints the version; see/],
  [['-t'], /unknown option '-t'; "sluice check" checks the configuration/],
  [['-s', 'reload'], /unknown option '-s'; to stop, send TERM/],
  [
    ['drain', '127.0.0.1:1', 'app'],
    /^sluice: server "app" is not host:port; the upstream comes first: sluice drain app 127\.0\.0\.1:1\n$/,
  ],
  [['status', '--nope'], /unknown option '--nope'/],
  [['status', '--control', 'ftp://x'], /control address "ftp:\/\/x"/],
  [
    ['drain', 'app', 'a:1', '--wait', '5s', '--no-wait'],
    /^sluice: --wait and --no-wait exclude each other; see "sluice drain --help"\n$/,
  ],
  [['kv', 'ls', '--registry', 'x'], /registry "x" is neither host:port nor a registry of /],
  [
    ['kv', 'get', '/a'],
    /^sluice: key "\/a": a key does not begin with a slash; see "sluice kv get --help"\n$/,
  ],
] as const) {
  test(`${args.join(' ')} is a usage error`, async () => {
    const { code, stdout, stderr } = await sluice(args);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, message);
    const asJson = await sluice([...args, '--json']);
    assert.equal(JSON.parse(asJson.stderr).error.code, 'usage');
  });
}

test('an old Node is told what to do', async () => {
  const old = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.1.0'}})`;
  const { code, stderr } = await sluice(['status'], { node: ['--import', old] });
  assert.equal(code, 2);
  assert.match(stderr, /^sluice: needs Node 24 or newer, this is 20\.1\.0; .*npm run sluice/);
});

test('check lists every problem as file:line:col and counts them', async (t) => {
  const file = fileWith(t, 'listen: 8080\nadimn: {}\n');
  const { code, stdout, stderr } = await sluice(['check', file]);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.deepEqual(stderr.split('\n'), [
    `sluice: ${file}:1:9: listen: 8080 is a port without a host; write 127.0.0.1:8080`,
    `sluice: ${file}:2:1: adimn: unknown key; did you mean "admin"?`,
    'sluice: 2 problems; nothing was started or changed',
    '',
  ]);
  const asJson = JSON.parse((await sluice(['check', '--json', '-c', file])).stderr);
  assert.equal(asJson.error.code, 'config_invalid');
  assert.equal(asJson.error.details.problems[1].line, 2);
});

test('serve refuses the same file with the same words', async (t) => {
  const file = fileWith(t, 'listen: 8080\nadimn: {}\n');
  const [checked, served] = [await sluice(['check', file]), await sluice(['serve', '-c', file])];
  assert.equal(served.code, 2);
  assert.equal(served.stderr, checked.stderr);
});

test('check reads the certificates and tokens that the file names, and serve says the same', async (t) => {
  const file = fileWith(
    t,
    `admin: { listen: 127.0.0.1:0, tls: { cert: no.pem, key: no.key } }
registry: { consul: { addresses: [127.0.0.1:1], token_file: no.token } }
registries:
  two: { etcd: { addresses: [127.0.0.1:1], tls: { ca: sluice.yaml, cert: sluice.yaml, key: no.key } } }
  three: { etcd: { addresses: [127.0.0.1:1], tls: { cert: sluice.yaml, key: sluice.yaml } } }
  four: { consul_health: { addresses: [127.0.0.1:1], tls: { ca: no.ca } } }
upstreams: { app: { registry: [default, two, three, four] } }
`,
  );
  const { code, stdout, stderr } = await sluice(['check', file]);
  assert.equal(code, 2, stderr);
  assert.equal(stdout, '');
  const lines = stderr.split('\n');
  for (const [at, said] of [
    /: admin\.tls\.cert .*no\.pem: cannot be read /,
    /: registry: .*no\.token/,
    /: registries\.two: etcd: .*no\.key cannot be read /,
    /: registries\.three: etcd: .*sluice\.yaml: .*; write PEM files /,
    /: registries\.four: .*no\.ca: does not exist/,
    /^sluice: 5 problems; nothing was started or changed$/,
  ].entries()) {
    assert.match(lines[at] ?? '', said);
  }
  const served = await sluice(['serve', '-c', file]);
  assert.deepEqual([served.code, served.stderr], [2, stderr]);
});

test('check of a good file says what would run, and warns', async (t) => {
  const file = fileWith(
    t,
    'upstreams: { app: { servers: [{ address: 127.0.0.1:9001, backup: on }], check: {} } }\n',
  );
  const { code, stdout, stderr } = await sluice(['check', file]);
  assert.equal(code, 0);
  assert.match(stdout, /: ok\n {2}gateway {4}127\.0\.0\.1:8080\n/);
  assert.match(stdout, / {2}upstream {3}app: 1 server and upstreams\/app\/, http checks\n$/);
  assert.match(stderr, /^warning: .*:1:30: upstreams\.app\.servers: has backup servers alone/);
});

test('check --json has the defaults and hides secrets; --schema is a JSON Schema', async (t) => {
  const file = fileWith(t, 'admin: { token: hunter2 }\n');
  const { stdout } = await sluice(['check', '--json', file]);
  assert.equal(JSON.parse(stdout).shutdownTimeoutMs, 30_000);
  assert.doesNotMatch(stdout, /hunter2/);
  const schema = JSON.parse((await sluice(['check', '--schema'])).stdout);
  assert.equal(schema.additionalProperties, false);
  assert.ok('upstreams' in schema.properties);
});

test('./sluice.config.ts is found too, and is not chosen silently where both are', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(
    join(folder, 'sluice.config.ts'),
    "import { defineConfig } from 'sluice/config';\nexport default defineConfig({ worker: 1 });\n",
  );
  const found = await sluice(['check'], { cwd: folder });
  assert.equal(found.code, 2);
  assert.match(found.stderr, /sluice\.config\.ts: worker: unknown key; did you mean "workers"\?/);
  writeFileSync(join(folder, 'sluice.yaml'), 'workers: 2\n');
  const both = await sluice(['status'], { cwd: folder });
  assert.equal(both.code, 2);
  assert.match(both.stderr, /sluice\.yaml and sluice\.config\.ts are both here; name one with -c/);
});

test('./sluice.yaml is found, and a file that is not there is named', async (t) => {
  const folder = temporaryFolder(t);
  assert.match((await sluice(['check'], { cwd: folder })).stdout, /^no file, defaults: ok/);
  writeFileSync(join(folder, 'sluice.yaml'), 'workers: 2\n');
  assert.match((await sluice(['check'], { cwd: folder })).stdout, /^sluice\.yaml: ok/);
  const missing = await sluice(['status', '-c', 'no.yaml'], { cwd: folder });
  assert.equal(missing.code, 2);
  assert.equal(
    missing.stderr,
    'sluice: no.yaml does not exist; create it, or name another with -c FILE\n',
  );
});

test('colour is for terminals or FORCE_COLOR', async (t) => {
  const file = fileWith(t, 'workers: 0\n');
  const colour = '\u001b[';
  assert.ok(!(await sluice(['check', file])).stderr.includes(colour));
  assert.ok((await sluice(['check', file], { env: { FORCE_COLOR: '1' } })).stderr.includes(colour));
});

test('nothing listens: exit 9, and the command that helps', async () => {
  const control = `127.0.0.1:${await freePort()}`;
  const status = await sluice(['status', '--control', control]);
  assert.equal(status.code, 9);
  assert.match(
    status.stderr,
    /^sluice: control API 127\.0\.0\.1:\d+: nothing listens there; start it with "sluice serve"/,
  );
  const kv = await sluice(['kv', 'ls'], { env: { SLUICE_REGISTRY: control } });
  assert.equal(kv.code, 9);
  assert.ok(kv.stderr.includes(control));
});

test('kv puts, gets, lists and removes records', async (t) => {
  const kv = await registry(t);
  assert.equal((await kv('put', KEY, '{"weight":2}')).stdout, `${KEY}: written\n`);
  assert.equal((await kv('get', KEY)).stdout, '{"weight":2}\n');
  assert.equal((await kv('get', '--raw', KEY)).stdout, '{"weight":2}');
  const record = JSON.parse((await kv('get', '--json', KEY)).stdout);
  assert.equal(Buffer.from(record.value, 'base64').toString(), '{"weight":2}');
  assert.equal((await kv('ls', '--keys', 'upstreams/')).stdout, `${KEY}\n`);
  assert.match(
    (await kv('ls')).stdout,
    new RegExp(`^KEY +INDEX  VALUE\n${KEY} +\\d+  {"weight":2}\n$`),
  );
  assert.equal((await kv('rm', KEY)).stdout, `${KEY}: removed\n`);
  assert.equal((await kv('ls')).stdout, 'no records under ""\n');
  const gone = await kv('get', KEY);
  assert.equal(gone.code, 2);
  assert.match(gone.stderr, /there is no key/);
});

test('kv put reads standard input byte for byte', async (t) => {
  const kv = await registry(t);
  const put = await kv('put', 'notes/a', '-', { input: 'one\ntwo' });
  assert.equal(put.code, 0, put.stderr);
  assert.equal((await kv('get', 'notes/a', '--raw')).stdout, 'one\ntwo');
  const large = await kv('put', 'notes/b', '-', { input: 'x'.repeat(600 * 1024) });
  assert.equal(large.code, 1);
  assert.match(large.stderr, /is over 524288 bytes/);
});

test('kv put --cas writes only what has not changed', async (t) => {
  const kv = await registry(t);
  assert.equal((await kv('put', 'a', '1', '--cas', '0')).code, 0);
  const taken = await kv('put', 'a', '2', '--cas', '0');
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /^sluice: a: exists already/);
  const { modifyIndex } = JSON.parse((await kv('get', 'a', '--json')).stdout);
  assert.equal((await kv('put', 'a', '2', '--cas', String(modifyIndex))).code, 0);
  assert.equal((await kv('rm', 'a', '--cas', String(modifyIndex))).code, 1);
});

for (const [name, key, value, message] of [
  ['a key that is no address', 'upstreams/app/web', '{}', /not host:port/],
  ['a value that is not JSON', KEY, 'weight=2', /JSON/],
  ['a switch that says neither', KEY, '{"down":"maybe"}', /down "maybe" is neither 0 nor 1/],
  ['a value that upsync cannot read', KEY, `{"_":"${'y'.repeat(1100)}"}`, /1108 bytes, upsync/],
] as const) {
  test(`kv put refuses ${name}, unless forced`, async (t) => {
    const kv = await registry(t);
    const refused = await kv('put', key, value);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, message);
    assert.match(refused.stderr, /: nothing was written; gateways would report: /);
    assert.equal((await kv('ls', '--keys')).stdout, '');
    assert.equal((await kv('put', key, value, '--force')).code, 0);
    assert.equal((await kv('get', key)).stdout, `${value}\n`);
  });
}

test('kv put writes what gateways read with a remark, and says the remark', async (t) => {
  const kv = await registry(t);
  const value = '{"weigth":5,"max_conns":-1}';
  const put = await kv('put', KEY, value);
  assert.equal(put.code, 0);
  assert.equal(put.stdout, `${KEY}: written\n`);
  assert.equal(
    put.stderr,
    `warning: ${KEY}: attribute "weigth" is not read; did you mean "weight"?\n` +
      `warning: ${KEY}: max_conns -1 is not 0 to 1000000, not counted\n`,
  );
  assert.equal((await kv('get', KEY)).stdout, `${value}\n`);
  const { remarks } = JSON.parse((await kv('put', KEY, value, '--json')).stdout);
  assert.equal(remarks.length, 2);
  assert.equal((await kv('put', KEY, '{"weight":5,"max_conns":3}')).stderr, '');
  assert.equal((await kv('put', 'else/app/127.0.0.1:1', '{"weigth":5}')).stderr, '');
});

test('kv rm --recurse says how many and wants --yes', async (t) => {
  const kv = await registry(t);
  await kv('put', 'a/1', 'x');
  await kv('put', 'a/2', 'x');
  const asked = await kv('rm', 'a/', '--recurse');
  assert.equal(asked.code, 2);
  assert.match(asked.stderr, /this would remove 2 records under "a\/"; add --yes/);
  assert.equal((await kv('ls', '--keys')).stdout, 'a/1\na/2\n');
  assert.equal((await kv('rm', 'a/', '--recurse', '--yes')).stdout, 'a/: 2 records removed\n');
  assert.equal((await kv('ls', '--keys')).stdout, '');
});

test('kv ls cuts nothing where no terminal is', async (t) => {
  const kv = await registry(t);
  const long = `{"weight":1,"x":"${'y'.repeat(200)}"}`;
  await kv('put', KEY, long);
  assert.ok((await kv('ls')).stdout.includes(long));
});

test('a record cannot move the cursor of a terminal', async (t) => {
  const kv = await registry(t);
  await kv('put', 'a', '\u001b[2Jgone');
  assert.ok(!(await kv('ls')).stdout.includes('\u001b'));
});

test('a reader that goes away is no error', async (t) => {
  const { address, store } = await startEmbedded(t);
  const value = Buffer.alloc(400_000, 'x');
  await store.put('a', value);
  const child = start(['kv', 'get', 'a', '--registry', formatAddress(address)]);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdout?.once('data', () => child.stdout?.destroy());
  const [code, signal] = await once(child, 'close');
  assert.deepEqual([code, signal, stderr], [0, null, '']);
});

test('a result that a full disk does not take is an error in one line', () => {
  // Every write to /dev/full fails with ENOSPC.
  const full = openSync('/dev/full', 'w');
  const { status, stderr } = spawnSync(process.execPath, [COMMAND, 'check', '--schema'], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  });
  closeSync(full);
  assert.equal(status, 1);
  assert.match(stderr, /^sluice: standard output: not written \(ENOSPC\); .*\n$/);
});

test('registry runs alone, keeps what was written, and ends on SIGTERM', async (t) => {
  const folder = temporaryFolder(t);
  const args = ['registry', '--listen', '127.0.0.1:0', '--data-dir', join(folder, 'data')];
  for (const expected of ['', 'x\n']) {
    const child = start(args, { cwd: folder });
    const closed = once(child, 'close');
    t.after(() => void child.kill('SIGKILL'));
    let said = '';
    const address = Promise.withResolvers<string>();
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /sluice registry: http:\/\/(\S+)\/v1\/kv\//.exec(said)?.[1];
      if (found !== undefined) address.resolve(found);
    });
    void closed.then(() => address.reject(new Error(`ended: ${said}`)));
    const here = ['--registry', await address.promise];
    assert.equal((await sluice(['kv', 'ls', '--keys', ...here])).stdout, expected);
    assert.equal((await sluice(['kv', 'put', 'x', 'y', ...here])).code, 0);
    child.kill('SIGTERM');
    assert.deepEqual(await closed, [0, null]);
  }
});

test('registry on a port in use says so and exits 2', async (t) => {
  const { address } = await startEmbedded(t);
  const args = ['registry', '--listen', formatAddress(address), '--data-dir', temporaryFolder(t)];
  const { code, stderr } = await sluice(args);
  assert.equal(code, 2);
  assert.ok(stderr.includes(formatAddress(address)) && stderr.includes('in use'), stderr);
  assert.match(stderr, /set another --listen\n$/);
});

test('registry on a folder in use names its option', async (t) => {
  const folder = temporaryFolder(t);
  const args = ['registry', '--listen', '127.0.0.1:0', '--data-dir', join(folder, 'data')];
  const child = start(args, { cwd: folder });
  const closed = once(child, 'close');
  t.after(() => void child.kill('SIGKILL'));
  await new Promise((resolve) => child.stderr?.once('data', resolve));
  const second = await sluice(args);
  assert.equal(second.code, 2);
  assert.match(second.stderr, /set another --data-dir\n$/);
  child.kill('SIGTERM');
  await closed;
});

function fileWith(t: TestContext, text: string): string {
  const file = join(temporaryFolder(t), 'sluice.yaml');
  writeFileSync(file, text);
  return file;
}

type Kv = (...args: readonly (string | { readonly input: string })[]) => Promise<Ended>;

/** `sluice kv …` against an embedded registry of its own. */
async function registry(t: TestContext): Promise<Kv> {
  const { address } = await startEmbedded(t);
  return (...args) => {
    const words = args.filter((word) => typeof word === 'string');
    const options = args.find((word) => typeof word === 'object') ?? {};
    return sluice(['kv', ...words, '--registry', formatAddress(address)], options);
  };
}
