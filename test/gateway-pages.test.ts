// Pages on the gateway's own port: the same as on the control API, for those who may see them alone,
// and never in the way of anybody's request.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  daemonConfig,
  get,
  put,
  runDaemon,
  runDaemonProcess,
  startServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';
import { RawClient } from './support/gateway/builders.ts';

const ROUTES = `
routes:
  - { path: /upstream_status, page: upstream_status }
  - { path: /upstream_list, page: upstream_list }
`;
const YAML = `upstreams: { app: { check: { path: /ping, interval: 50ms, rise: 1, fall: 1 } } }${ROUTES}`;

async function ask(
  t: TestContext,
  url: string,
  line: string,
  ...lines: readonly string[]
): Promise<string> {
  const head = [`${line} HTTP/1.1`, 'Host: a', 'Connection: close', ...lines, '', ''];
  const client = new RawClient(t, Number(new URL(url).port)).send(head.join('\r\n'));
  const text = await client.ended();
  client.socket.destroy();
  return text;
}

/** Without the number of probes that passed, which rises all the time. */
function countless(page: string): string {
  return page.replaceAll(/(?<=,up,|"rise": )\d+/g, 'n');
}

function bodyOf(response: string): string {
  return response.slice(response.indexOf('\r\n\r\n') + 4);
}

test('a page on a route is the page of the control API; everything else goes to the app', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(`workers: 2\n${YAML}`, temporaryDir(t)));
  const server = await startServer(t);
  await put(daemon, server.id, '{"weight":3}');
  await until('the server is up', async () => (await get(daemon.gateway)).status === 200);
  for (const target of [
    '/upstream_list',
    '/upstream_list?app',
    '/upstream_list?APP',
    '/upstream_list?nobody',
    '/upstream_status?format=csv&status=up',
    '/upstream_status?FORMAT=json&STATUS=down',
    '/upstream_status?status=%75p&format=csv',
  ]) {
    const response = await ask(t, daemon.gateway, `GET ${target}`);
    assert.match(response, /^HTTP\/1\.1 200 OK\r\n/, target);
    const { body } = await get(`${daemon.control}${target}`);
    assert.equal(countless(bodyOf(response)), countless(body), target);
  }
  const html = await ask(t, daemon.gateway, 'GET /%75pstream_status/');
  assert.match(html, /\r\nContent-Type: text\/html\r\nCache-Control: no-store\r\n/);
  assert.match(bodyOf(html), new RegExp(`<td>${server.id}</td>`));
  const json = await ask(t, daemon.gateway, 'GET /upstream_status?format=json');
  assert.match(json, /\r\nContent-Type: application\/json\r\n/);
  assert.equal((await get(`${daemon.gateway}/upstream_lists`)).body, server.id);
  assert.equal((await get(`${daemon.gateway}/`)).body, server.id);
});

test('HEAD, other methods, bodies and pipelines on a page', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(YAML, temporaryDir(t)));
  const server = await startServer(t);
  await put(daemon, server.id, '{}');
  await until('the server is up', async () => (await get(daemon.gateway)).status === 200);
  const whole = await ask(t, daemon.gateway, 'GET /upstream_list?app');
  const head = await ask(t, daemon.gateway, 'HEAD /upstream_list?app');
  assert.equal(head, whole.slice(0, whole.indexOf('\r\n\r\n') + 4));
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'BREW']) {
    const response = await ask(t, daemon.gateway, `${method} /upstream_list`, 'Content-Length: 0');
    assert.match(response, /^HTTP\/1\.1 405 .*\r\nAllow: GET, HEAD\r\n/s, method);
  }
  const unread = await ask(t, daemon.gateway, 'GET /upstream_list?app', 'Content-Length: 5');
  assert.equal(bodyOf(unread), bodyOf(whole));

  const client = new RawClient(t, Number(new URL(daemon.gateway).port));
  const page = 'GET /upstream_list?app HTTP/1.1\r\nHost: a\r\n\r\n';
  const app = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
  client.send(page + app + page + app);
  const text = await client.until((received) => received.split(server.id).length === 5);
  const order = [...text.matchAll(/server (?=\d)|\r\n\r\n(?=\d)/g)].map(([found]) => found.trim());
  assert.deepEqual(order, ['server', '', 'server', '']);
  client.socket.destroy();
});

test('a page is for those on its list: loopback, or who it says; nobody forges an address', async (t) => {
  const yaml = `proxy: { trusted_proxies: [127.0.0.1], show_reason: on }
upstreams: { app: {} }
routes:
  - { path: /local, page: upstream_list }
  - { path: /office, page: upstream_list, allow: [5.6.7.0/24, "2a00::/16"] }
  - { path: /nobody, page: upstream_list, allow: [] }
`;
  const daemon = await runDaemon(t, daemonConfig(yaml, temporaryDir(t)));
  const statusOf = async (path: string, ...lines: string[]): Promise<string> => {
    const response = await ask(t, daemon.gateway, `GET ${path}`, ...lines);
    const isRefused = response.startsWith('HTTP/1.1 403');
    // The configuration asks for reasons; a page has none.
    assert.equal(response.includes('X-Sluice-Reason'), isRefused);
    if (isRefused) {
      assert.equal(bodyOf(response), 'sluice: forbidden\n');
    }
    return response.slice(9, 12);
  };
  const via = (chain: string): string => `X-Forwarded-For: ${chain}`;
  for (const [path, lines, status] of [
    ['/local', [], '200'],
    ['/local', [via('1.2.3.4')], '403'],
    ['/local', [via('127.0.0.1, 1.2.3.4')], '403'],
    ['/local', [via('127.0.0.1, unknown')], '403'],
    ['/local', [via('unknown'), 'X-Real-IP: 127.0.0.1'], '403'],
    ['/local', [via('"127.0.0.1"')], '403'],
    ['/local', [via('127.0.0.1')], '200'],
    ['/local', [via('1.2.3.4'), 'Forwarded: for=127.0.0.1'], '403'],
    ['/office', [], '403'],
    ['/office', [via('5.6.7.8')], '200'],
    ['/office', [via('9.9.9.9, [2a00::1]:80')], '200'],
    ['/office', [via('5.6.7.8, 9.9.9.9')], '403'],
    ['//office/../%6fffice', [via('9.9.9.9')], '403'],
    ['/nobody', [], '403'],
  ] as const) {
    assert.equal(await statusOf(path, ...lines), status, `${path} ${lines.join()}`);
  }
  const refused = await ask(t, daemon.gateway, 'POST /office');
  assert.match(refused, /^HTTP\/1\.1 403 /, 'who may not see it learns no methods');
});

test('without its primary a page is a 503 in time, and requests go on', async (t) => {
  const server = await startServer(t);
  const yaml = `upstreams: { app: { servers: "${server.id}" } }${ROUTES}`;
  const daemon = await runDaemonProcess(t, daemonConfig(yaml, temporaryDir(t)));
  await until('the server is up', async () => (await get(daemon.gateway)).status === 200);
  daemon.process.kill('SIGSTOP');
  t.after(() => daemon.process.kill('SIGCONT'));
  const pages = Promise.all(
    Array.from({ length: 40 }, (_, count) =>
      ask(t, daemon.gateway, `GET /upstream_list?${count % 20}`),
    ),
  );
  for (let count = 0; count < 20; count += 1) {
    assert.equal((await get(daemon.gateway)).body, server.id);
  }
  for (const page of await pages) {
    assert.match(page, /^HTTP\/1\.1 503 .*\r\nRetry-After: 5\r\n/s);
    assert.equal(bodyOf(page), 'sluice: no page yet, please try again\n');
  }
  daemon.process.kill('SIGCONT');
  await until('pages come again', async () => {
    return (await get(`${daemon.gateway}/upstream_list?app`)).status === 200;
  });
});

test('a client that leaves before its page came, or sends no HTTP behind it, harms nobody', async (t) => {
  const daemon = await runDaemonProcess(t, daemonConfig(YAML, temporaryDir(t)));
  const port = Number(new URL(daemon.gateway).port);
  daemon.process.kill('SIGSTOP');
  t.after(() => daemon.process.kill('SIGCONT'));
  const page = 'GET /upstream_list HTTP/1.1\r\nHost: a\r\n';
  const gone = new RawClient(t, port).send(`${page}\r\n`);
  await new Promise((resolve) => gone.socket.once('connect', resolve));
  gone.socket.resetAndDestroy();
  const wrong = new RawClient(t, port).send(`${page}Transfer-Encoding: chunked\r\n\r\n`);
  wrong.send('no chunk\r\n\r\n');
  assert.match(await wrong.ended(), /^HTTP\/1\.1 400 /);
  daemon.process.kill('SIGCONT');
  await until('pages come', async () => {
    return (await get(`${daemon.gateway}/upstream_list`)).status === 200;
  });
  assert.equal(wrong.text.split('HTTP/1.1').length, 2, 'one answer to one request');
  wrong.socket.destroy();
});
