// A page of our own on a route: asked for elsewhere, so its answer may come when nobody waits for it.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { RawClient, startGateway } from '../../test/support/gateway/builders.ts';
import type { TextAnswer } from '../model.ts';

const GET = 'GET /s?format=json HTTP/1.1\r\nHost: a\r\n\r\n';
const PAGE: TextAnswer = { contentType: 'text/plain', body: 'all is well' };

async function start(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-pages-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const accessLog = join(folder, 'access.log');
  const asked = Promise.withResolvers<string>();
  const rendered = Promise.withResolvers<TextAnswer>();
  const { gateway, port } = await startGateway(
    t,
    [],
    { accessLog },
    [{ host: '', path: '/s', page: 'upstream_status', allow: ['127.0.0.0/8'] }],
    {
      readPage: (_, query) => {
        asked.resolve(query);
        return rendered.promise;
      },
    },
  );
  const results = async (): Promise<string[]> => {
    await gateway.close(1000);
    const lines = readFileSync(accessLog, 'utf8').trim().split('\n');
    return lines.map((line) => JSON.parse(line).result);
  };
  return { gateway, client: new RawClient(t, port), asked: asked.promise, rendered, results };
}

test('a page is the answer, and the connection goes on', async (t) => {
  const { client, asked, rendered, results } = await start(t);
  client.send(GET);
  assert.equal(await asked, 'format=json');
  rendered.resolve(PAGE);
  await client.until((text) => text.endsWith('all is well'));
  client.send(GET);
  await client.until((text) => text.split('all is well').length === 3);
  client.socket.end();
  assert.deepEqual(await results(), ['answered', 'answered']);
});

test("a page for a client that has left meanwhile is nobody else's, and counts once", async (t) => {
  const { gateway, client, asked, rendered, results } = await start(t);
  client.send(GET);
  await asked;
  client.socket.resetAndDestroy();
  while (gateway.connections() > 0) await new Promise((resolve) => setImmediate(resolve));
  rendered.resolve(PAGE);
  await rendered.promise;
  assert.deepEqual(await results(), ['clientGone']);
});
