// What happened to a request, asked of a real serve with two workers: by the control API, by `sluice why` and in
// the live stream; in a flood, and after a worker was killed.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { readMessage, requestOf, type StoryQuestion } from '../src/admin/contract.ts';
import type { RequestsDocument, StoryDocument } from '../src/admin.ts';
import { childrenOf } from './support/base/process-facts.ts';
import { type Serving, serve, sluice } from './support/cli/process.ts';
import { until } from './support/daemon/builders.ts';
import { closedPort } from './support/gateway/builders.ts';

async function startApp(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  // It listens on a port.
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function ask(daemon: Serving, question: Partial<StoryQuestion>): Promise<RequestsDocument> {
  const all = { upstream: '', kind: 'all', id: '', last: 500, ...question } as const;
  const response = await fetch(`${daemon.control}${requestOf('requests', all).path}`);
  assert.equal(response.status, 200);
  // That it fits its shape is what the CLI checks.
  return (await response.json()) as RequestsDocument;
}

async function storyOf(daemon: Serving, id: string): Promise<StoryDocument> {
  const { requests } = await ask(daemon, { id });
  const [story] = requests;
  assert(story !== undefined && requests.length === 1, `${id}: ${requests.length} stories`);
  return story;
}

async function failing(daemon: Serving, path: string, init?: RequestInit): Promise<string> {
  const response = await fetch(`${daemon.gateway}${path}`, init);
  assert(response.status >= 400, `${path}: ${response.status}`);
  await response.text();
  return response.headers.get('x-request-id') ?? '';
}

test('a request is found by its id, with what was tried and why it went wrong', async (t) => {
  const dead = `127.0.0.1:${await closedPort()}`;
  const good = await startApp(t, (_, response) => response.end('good'));
  const closing = await startApp(t, (request) => request.socket.destroy());
  const slow = await startApp(t, (_, response) => void setTimeout(() => response.end('late'), 200));
  const daemon = await serve(
    t,
    `workers: 2
routes:
  - { path: /retried, upstream: retried }
  - { path: /failing, upstream: failing }
  - { path: /out, upstream: out }
  - { path: /slow, upstream: slow }
upstreams:
  retried: { servers: ["${dead}", "${good}"] }
  failing: { servers: ["${closing}"] }
  out: { servers: ["${good}"] }
  slow: { servers: ["${slow}"] }
`,
  );
  const events = await fetch(`${daemon.control}/api/stream?topics=requests`);
  const { body } = events;
  assert(body !== null);
  t.after(() => body.cancel().catch(() => {}));

  await until('a request was retried', async () => {
    assert.equal(await (await fetch(`${daemon.gateway}/retried`)).text(), 'good');
    return (await ask(daemon, { kind: 'retried' })).requests.length > 0;
  });
  const { requests, scope } = await ask(daemon, { kind: 'retried', upstream: 'retried' });
  const [retried] = requests;
  assert.deepEqual(
    retried?.attempts.map(({ server, status, retried: again }) => [server, status, again]),
    [
      [dead, 0, true],
      [good, 200, false],
    ],
  );
  assert.match(scope.gateway, /^pid \d+ on /);
  assert.equal(retried?.gateway, scope.gateway);

  const failed = await failing(daemon, '/failing?token=s3cret', { method: 'POST', body: 'abc' });
  const story = await storyOf(daemon, failed);
  assert.deepEqual(
    [story.reason, story.closedBy, story.status, story.path, story.upstream, story.bytesIn],
    ['closed_early', 'server', 502, '/failing?token=*', 'failing', 3],
  );

  const { path, ...drain } = requestOf('setAdmin', {
    ...{ upstream: 'out', server: good },
    body: { state: 'drain', owner: 'release:out/r7', reason: '' },
  });
  assert.equal((await fetch(`${daemon.control}${path}`, drain)).status, 200);
  const out = await storyOf(daemon, await failing(daemon, '/out'));
  assert.deepEqual([out.status, out.reason, out.attempts], [503, 'no_eligible_server', []]);
  assert.deepEqual(out.pool, [
    { server: good, stateThen: 'drain', version: '', owner: 'release:out/r7' },
  ]);

  await (await fetch(`${daemon.gateway}/slow`)).text();
  const [slowest] = (await ask(daemon, { kind: 'slow', last: 1 })).requests;
  assert.deepEqual([slowest?.upstream, slowest?.status, slowest?.kind], ['slow', 200, 'slow']);
  assert((slowest?.waitMs ?? 0) >= 190, String(slowest?.waitMs));

  const told = await sluice(['why', failed, ...daemon.here]);
  assert.equal(told.code, 0, told.stderr);
  assert.match(told.stdout, /^POST 127\.0\.0\.1\/failing\?token=\* {2}502 from the gateway\n/);
  assert.match(told.stdout, /\n {2}closed {2}by the server\n/);
  const listed = await sluice(['why', '--kind', 'failed', ...daemon.here]);
  assert(listed.stdout.includes(failed) && listed.stdout.includes(out.id), listed.stdout);
  const json = await sluice(['why', failed, '--json', ...daemon.here]);
  assert.equal(JSON.parse(json.stdout).requests[0].id, failed);
  const unknown = await sluice(['why', 'never-was', ...daemon.here]);
  assert.equal(unknown.code, 2);
  assert.match(
    unknown.stderr,
    /"never-was": not kept on pid .*access log.*\n {2}kept are: failed: /s,
  );
  for (const { stdout } of [told, listed, json]) assert.doesNotMatch(stdout, /s3cret/);
  assert.equal((await sluice(['why', '--kind', 'odd', ...daemon.here])).code, 2);

  let heard = '';
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    heard += decoder.decode(chunk, { stream: true });
    if (heard.includes(failed) && heard.includes(out.id)) break;
  }
  const [, data = ''] = /^data: (.+)$/m.exec(heard) ?? [];
  assert.equal(readMessage(data)?.topic, 'requests');
  assert.doesNotMatch(heard, /null.{0,9}"kind"|s3cret/);
});

test('a flood of failures is bounded, the newest are kept, and so is another failure in it', async (t) => {
  const good = await startApp(t, (_, response) => response.end('good'));
  const daemon = await serve(
    t,
    `workers: 2
routes: [{ path: /none, upstream: none }, { path: /app, upstream: app }]
upstreams:
  none: { servers: [{ address: "127.0.0.1:${await closedPort()}", down: on }] }
  app: { servers: ["${good}"] }
`,
  );
  const flood = async (count: number): Promise<string[]> => {
    const ids: string[] = [];
    const one = async (): Promise<void> => {
      while (ids.length < count) ids.push(await failing(daemon, '/none'));
    };
    await Promise.all(Array.from({ length: 16 }, one));
    return ids;
  };
  const first = await flood(1500);
  const nowhere = await failing(daemon, '/nowhere');
  await ask(daemon, {});
  const last = await flood(20);
  const { requests, leftOut } = await ask(daemon, { kind: 'failed' });
  const kept = requests.filter(({ upstream }) => upstream === 'none').map(({ id }) => id);
  assert(kept.length <= 200 && leftOut >= 1000, `${kept.length} kept, ${leftOut} left out`);
  assert.equal(kept.length + leftOut, first.length + last.length);
  assert(
    last.some((id) => kept.slice(0, 20).includes(id)),
    'the newest are here',
  );
  assert.equal((await storyOf(daemon, nowhere)).reason, 'no_route');

  // What a worker has told outlives it.
  const [pid] = childrenOf(daemon.child.pid ?? 0);
  assert(pid !== undefined);
  process.kill(pid, 'SIGKILL');
  await until(
    'another worker is in its place',
    () => !childrenOf(daemon.child.pid ?? 0).includes(pid),
  );
  assert.equal((await storyOf(daemon, nowhere)).status, 404);
  await until('the new one tells, too', async () => {
    const id = await failing(daemon, '/nowhere').catch(() => '');
    return id !== '' && (await ask(daemon, { id })).requests.length === 1;
  });
});

test('an id that clients choose: more than one story may have it', async (t) => {
  const daemon = await serve(
    t,
    `proxy: { request_id: trust }
upstreams: { app: { servers: ["127.0.0.1:${await closedPort()}"] } }
`,
  );
  const mine = { headers: { 'x-request-id': 'mine' } };
  assert.deepEqual(
    [await failing(daemon, '/a', mine), await failing(daemon, '/b', mine)],
    ['mine', 'mine'],
  );
  const paths = (await ask(daemon, { id: 'mine' })).requests.map(({ path }) => path);
  assert.deepEqual(paths, ['/b', '/a']);
  const told = await sluice(['why', 'mine', ...daemon.here]);
  assert.match(told.stdout, /^GET \S+\/b .*^GET \S+\/a /ms);
  const evil = { headers: { 'x-request-id': `"\\u001b${'x'.repeat(20_000)}` } };
  assert.match(await failing(daemon, '/c', evil), /^[0-9a-f]{24}$/);
});
