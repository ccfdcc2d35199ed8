// The command line against a running `sluice serve`: what operators type, as real processes.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from './support/base/ports.ts';
import { serve, sluice, start, temporaryFolder } from './support/cli/process.ts';
import { get, startServer, until } from './support/daemon/builders.ts';

test('serve says where everything is and what to try next, on standard error', async (t) => {
  const daemon = await serve(t, '');
  assert.match(
    daemon.stderr(),
    /^sluice is ready \(pid \d+, \/.*sluice\.yaml\)\n {2}gateway {3}http:.*\n {2}control {3}http:.*\n {2}status {4}http:.*upstream_status\n {2}registry {2}http:.*\/v1\/kv\/\n {2}try {7}curl -X PUT -d '\{"weight":1\}' \\\n {14}http:.*\/v1\/kv\/upstreams\/app\/127\.0\.0\.1:9001\n/m,
  );
  // The command that it offers, typed as it stands.
  const url = /(http:\S+9001)/.exec(daemon.stderr())?.[1] ?? '';
  assert.equal(await (await fetch(url, { method: 'PUT', body: '{"weight":1}' })).text(), 'true');
  await until('the server is known', async () =>
    (await sluice(['status', ...daemon.here])).stdout.includes('127.0.0.1:9001'),
  );
});

test('a drain waits for what is in flight, and its exit code means idle', async (t) => {
  const held = await startServer(t);
  const daemon = await serve(t, `upstreams: { app: { servers: ["${held.id}"] } }\n`);
  const response = get(`${daemon.gateway}/hold`);
  await until('the request is in flight', () => held.held.length === 1);

  const early = await sluice(['drain', 'app', held.id, '--wait', '50ms', ...daemon.here]);
  assert.equal(early.code, 1);
  assert.match(early.stdout, /: drain, generation \d+ acknowledged by all, 1 in flight\n$/);
  assert.match(
    early.stderr,
    new RegExp(
      `^sluice: ${held.id} of app: 1 still in flight after 50ms; it stays in drain: .*"sluice undrain app ${held.id}"\n`,
    ),
  );
  const unwaited = await sluice(['drain', 'app', held.id, '--no-wait', '--json', ...daemon.here]);
  assert.equal(unwaited.code, 0);
  assert.equal(JSON.parse(unwaited.stdout).inFlight, 1);

  const drain = start(['drain', 'app', held.id, '-m', 'kernel update', ...daemon.here]);
  let said = '';
  drain.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await until('the drain waits', () => said.includes('1 in flight'));
  held.held[0]?.end('done');
  const [code] = await once(drain, 'close');
  assert.equal(code, 0);
  assert.match(said, /: idle after \S+, safe to stop: this gateway sends it nothing more\n$/);
  assert.deepEqual(await response, { status: 200, body: 'done' });
});

test('a drain that ends before its time says how long it really waited, and why', async (t) => {
  const held = await startServer(t);
  const daemon = await serve(t, `upstreams: { app: { servers: ["${held.id}"] } }\n`);
  const response = get(`${daemon.gateway}/hold`);
  await until('the request is in flight', () => held.held.length === 1);
  const drain = async () => {
    const child = start(['drain', 'app', held.id, '--wait', '10m', ...daemon.here]);
    const said = { out: '', err: '' };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said.out += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said.err += text;
    });
    await until('the drain waits', () => said.out.includes('1 in flight'));
    return { ended: once(child, 'close'), said };
  };

  const taken = await drain();
  assert.equal((await sluice(['undrain', 'app', held.id, ...daemon.here])).code, 0);
  assert.deepEqual(await taken.ended, [1, null], taken.said.err);
  assert.match(taken.said.err, /of app: set to ready after [\d.]+m?s, 1 still in flight; see/);

  const cut = await drain();
  daemon.child.kill('SIGTERM');
  assert.deepEqual(await cut.ended, [9, null], cut.said.err);
  assert.match(cut.said.err, /^sluice: Sluice is shutting down: it finishes what is in flight,/);
  held.held[0]?.end('done');
  assert.equal((await response).status, 200);
});

test('while the registry is away nothing is said to be safe, since nobody knows who follows it', async (t) => {
  const server = await startServer(t);
  const port = await freePort();
  const registry = `registry: { consul: { addresses: ["127.0.0.1:${port}"] } }`;
  const daemon = await serve(t, `${registry}\nupstreams: { app: { servers: ["${server.id}"] } }\n`);
  const notHeard = `not heard: others that follow the Consul at 127.0.0.1:${port}`;
  const verb = async (...args: readonly string[]) => sluice([...args, ...daemon.here]);
  for (const state of ['drain', 'maint']) {
    const idle = await verb(state, 'app', server.id);
    assert.equal(idle.code, 0, idle.stderr);
    assert.match(
      idle.stdout,
      new RegExp(
        `: idle after \\S+, on this gateway only \\(pid \\d+ on .*\\); ${notHeard}, and may`,
      ),
    );
    assert.doesNotMatch(idle.stdout, /safe to stop/);
    const unwaited = await verb(state, 'app', server.id, '--no-wait', '--json');
    assert.match(
      JSON.parse(unwaited.stdout).scope.unheard[0],
      /^others that follow the Consul at /,
    );
  }
  const back = await verb('undrain', 'app', server.id);
  assert.match(back.stdout, new RegExp(`takes traffic; ${notHeard}\n$`));
  assert.match(
    (await verb('status')).stdout,
    /^gateways {3}1 live.*\n +not heard: others that follow the Consul at 127/m,
  );
});

test('status tells who is out, by whom and why; undrain puts it back', async (t) => {
  const server = await startServer(t);
  const daemon = await serve(t, `upstreams: { app: { servers: ["${server.id}"] } }\n`);
  const out = await sluice(['maint', 'app', server.id, '-m', 'new disk', ...daemon.here], {
    env: { USER: 'alice' },
  });
  assert.equal(out.code, 0, out.stderr);
  assert.match(
    out.stderr,
    /^warning: upstream "app" has no eligible server; its requests get 503\n$/,
  );
  const shown = await sluice(['status', 'app', ...daemon.here]);
  assert.match(shown.stdout, /^app {2}round_robin, 0 of 1 eligible$/m);
  assert.match(
    shown.stdout,
    new RegExp(`^  ${server.id} +maint +1 .*by user:\\w+ \\S+ ago: new disk$`, 'm'),
  );
  const refused = await get(daemon.gateway);
  assert.equal(refused.status, 503);
  assert.doesNotMatch(refused.body, /maint/, "states are not the public's");

  const back = await sluice(['undrain', 'app', server.id, ...daemon.here]);
  assert.equal(back.code, 0, back.stderr);
  assert.match(back.stdout, /: ready, generation \d+ acknowledged, takes traffic\n$/);
  assert.equal((await get(daemon.gateway)).body, server.id);
  const document = JSON.parse((await sluice(['status', '--json', ...daemon.here])).stdout);
  assert.equal(document.upstreams[0].eligible, 1);
  assert.equal(document.upstreams[0].servers[0].requests, 1);
});

test('--keep refuses to take the last eligible server out', async (t) => {
  const daemon = await serve(t, 'upstreams: { app: { servers: ["127.0.0.1:9"] } }\n');
  const refused = await sluice(['drain', 'app', '127.0.0.1:9', '--keep', '1', ...daemon.here]);
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /^sluice: /);
});

test('undrain of a server that is down in the registry says where to look', async (t) => {
  const daemon = await serve(t, '');
  const put = ['kv', 'put', 'upstreams/app/127.0.0.1:9', '{"down":1}', ...daemon.here];
  assert.equal((await sluice(put)).code, 0);
  await until('it is known', async () =>
    (await sluice(['status', ...daemon.here])).stdout.includes('down in the registry'),
  );
  const back = await sluice(['undrain', 'app', '127.0.0.1:9', ...daemon.here]);
  assert.equal(back.code, 1);
  assert.match(back.stderr, /still maint; its registry record says down/);
});

test('weight writes the record and keeps its other attributes', async (t) => {
  const daemon = await serve(t, '');
  const key = 'upstreams/app/127.0.0.1:9';
  await sluice(['kv', 'put', key, '{"weight":1,"max_fails":7,"max_con":3}', ...daemon.here]);
  await until('it is known', async () =>
    (await sluice(['status', ...daemon.here])).stdout.includes('127.0.0.1:9'),
  );
  await sluice(['kv', 'put', 'upstreams/app/127.0.0.2:9', '{"max_con":3}', ...daemon.here]);
  await until('the other one is known', async () =>
    (await sluice(['status', ...daemon.here])).stdout.includes('app/127.0.0.2:9: attribute'),
  );
  const weight = await sluice(['weight', 'app', '127.0.0.1:9', '5', ...daemon.here]);
  assert.equal(weight.stdout, '127.0.0.1:9 of app: weight 5\n', weight.stderr);
  assert.match(
    weight.stderr,
    /^warning: upstreams.app.127\.0\.0\.1:9: attribute "max_con" is not read; [^\n]*\n$/,
  );
  const record = JSON.parse((await sluice(['kv', 'get', key, ...daemon.here])).stdout);
  assert.equal(record.weight, 5);
  assert.equal(record.max_fails, 7);
});

test('a server by its port or host alone is not guessed but suggested', async (t) => {
  const daemon = await serve(t, '');
  for (const id of ['127.0.0.1:9', '127.0.0.2:8', '127.0.0.3:8']) {
    await sluice(['kv', 'put', `upstreams/app/${id}`, '{}', ...daemon.here]);
  }
  await until('they are known', async () =>
    (await sluice(['status', ...daemon.here])).stdout.includes('127.0.0.3:8'),
  );
  for (const [verb, server, advice] of [
    ['drain', '9', /server "9" is not host:port; did you mean 127\.0\.0\.1:9\?/],
    ['undrain', ':9', /did you mean 127\.0\.0\.1:9\?/],
    ['maint', '127.0.0.2', /did you mean 127\.0\.0\.2:8\?/],
    ['drain', '8', /the servers of "app": 127\.0\.0\.2:8, 127\.0\.0\.3:8\n/],
    ['drain', '7', /the servers of "app": 127\.0\.0\.1:9, 127\.0\.0\.2:8, 127\.0\.0\.3:8\n/],
  ] as const) {
    const { code, stdout, stderr } = await sluice([verb, 'app', server, ...daemon.here]);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, advice);
  }
});

test('unknown names are named, with those that exist', async (t) => {
  const daemon = await serve(t, '');
  for (const args of [
    ['status', 'ap'],
    ['drain', 'ap', '127.0.0.1:9'],
  ]) {
    const { code, stderr } = await sluice([...args, ...daemon.here]);
    assert.equal(code, 2);
    assert.match(stderr, /"ap".*known: app/);
  }
});

test('the token is asked for, found in SLUICE_TOKEN, and found in the configuration', async (t) => {
  const port = await freePort();
  const yaml = `admin: { listen: "127.0.0.1:${port}", token: s3cret }\n`;
  const daemon = await serve(t, yaml);
  const without = await sluice(['status', '--json', ...daemon.here]);
  assert.equal(without.code, 2);
  assert.equal(JSON.parse(without.stderr).error.code, 'unauthorized');
  assert.match(
    JSON.parse(without.stderr).error.message,
    /: it asks for a token; set SLUICE_TOKEN$/,
  );
  const environment = { SLUICE_CONTROL: daemon.control, SLUICE_TOKEN: 's3cret' };
  assert.equal((await sluice(['status'], { env: environment })).code, 0);
  assert.equal((await sluice(['status'], { cwd: daemon.folder })).code, 0);
  const wrong = await sluice(['status'], { env: { ...environment, SLUICE_TOKEN: 'x' } });
  assert.match(wrong.stderr, /: it does not accept the token; check SLUICE_TOKEN\n$/);
});

test('a first signal finishes what is in flight', async (t) => {
  const server = await startServer(t);
  const daemon = await serve(t, `upstreams: { app: { servers: ["${server.id}"] } }\n`);
  const response = get(`${daemon.gateway}/hold`);
  await until('the request is in flight', () => server.held.length === 1);
  // To the whole group, as Ctrl-C does: the workers get it too.
  process.kill(-Number(daemon.child.pid), 'SIGINT');
  await until('it says so', () => daemon.stderr().includes('finishing what is in flight'));
  server.held[0]?.end('done');
  assert.deepEqual(await response, { status: 200, body: 'done' });
  assert.deepEqual(await daemon.ended, [0, null]);
});

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const) {
  test(`a second ${signal} ends at once with ${code}`, async (t) => {
    const server = await startServer(t);
    const daemon = await serve(t, `upstreams: { app: { servers: ["${server.id}"] } }\n`);
    const broken = assert.rejects(get(`${daemon.gateway}/hold`));
    await until('the request is in flight', () => server.held.length === 1);
    daemon.child.kill(signal);
    await until('it says so', () => daemon.stderr().includes('finishing what is in flight'));
    daemon.child.kill(signal);
    assert.deepEqual(await daemon.ended, [code, null]);
    await broken;
  });
}

test('a SIGHUP out of the habit of reloading ends nothing', async (t) => {
  const server = await startServer(t);
  const daemon = await serve(t, `upstreams: { app: { servers: ["${server.id}"] } }\n`);
  daemon.child.kill('SIGHUP');
  await until('it says so', () => daemon.stderr().includes('nothing has changed'));
  assert.equal((await get(daemon.gateway)).status, 200);
  daemon.child.kill('SIGTERM');
  assert.deepEqual(await daemon.ended, [0, null]);
});

test('serves on, and ends gracefully, when the reader of its messages is gone', async (t) => {
  const server = await startServer(t);
  // At info it writes a line for each drain.
  const yaml = `log_level: info\nupstreams: { app: { servers: ["${server.id}"] } }\n`;
  const daemon = await serve(t, yaml);
  daemon.child.stderr?.destroy();
  daemon.child.stdout?.destroy();
  assert.equal((await sluice(['drain', 'app', server.id, ...daemon.here])).code, 0);
  assert.equal((await sluice(['undrain', 'app', server.id, ...daemon.here])).code, 0);
  const response = get(`${daemon.gateway}/hold`);
  await until('the request is in flight', () => server.held.length === 1);
  daemon.child.kill('SIGTERM');
  await until('the gateway accepts nobody new', () =>
    get(daemon.gateway).then(
      () => false,
      () => true,
    ),
  );
  assert.equal(daemon.child.exitCode, null, 'it must not end before what is in flight');
  server.held[0]?.end('done');
  assert.deepEqual(await response, { status: 200, body: 'done' });
  assert.deepEqual(await daemon.ended, [0, null]);
});

for (const [which, key] of [
  ['listen', 'listen'],
  ['admin', 'admin.listen'],
  ['registry', 'registry.embedded.listen'],
] as const) {
  test(`a port of ${which} in use is named with the key, and nothing is started`, async (t) => {
    const folder = temporaryFolder(t);
    const taken = await listen(t);
    const address = (name: string): string => (name === which ? taken : '127.0.0.1:0');
    const file = join(folder, 'sluice.yaml');
    writeFileSync(
      file,
      `listen: ${address('listen')}\nadmin: { listen: "${address('admin')}" }\nregistry: { embedded: { listen: "${address('registry')}" } }\n`,
    );
    const { code, stdout, stderr } = await sluice(['serve', '-c', file]);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    const line = stderr.split('\n').find((text) => text.startsWith('sluice: ')) ?? stderr;
    assert.ok(line.includes(taken) && line.includes('in use') && line.includes(key), stderr);
    assert.doesNotMatch(stderr, /is ready/);
  });
}

test('two daemons do not share a state folder', async (t) => {
  const daemon = await serve(t, '');
  const second = await sluice(['serve', '-c', join(daemon.folder, 'sluice.yaml')]);
  assert.equal(second.code, 4);
  assert.match(second.stderr, new RegExp(`process ${daemon.child.pid}`));
});

async function listen(t: TestContext): Promise<string> {
  const server: Server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  return typeof address === 'object' ? `127.0.0.1:${address?.port}` : '';
}
