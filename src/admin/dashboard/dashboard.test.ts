// The files of the dashboard over HTTP, as they are made from its sources.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { controlStub } from '../../../test/support/admin/control.ts';
import { noAudit } from '../../../test/support/admin/server.ts';
import { silentLog } from '../../base/log.ts';
import { dashboardUrl } from '../dashboard.ts';
import { serveAdmin } from '../server.ts';

type Reply = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
};

/** Most of what a browser loads, with gzip: all scripts, styles and pages. */
const GZIPPED_BYTES_MAX = 60_000;

async function scene(t: TestContext) {
  const admin = await serveAdmin({
    control: controlStub(),
    readiness: () => ({ reason: '', isClosing: false }),
    ...{ host: '127.0.0.1', port: 0, token: 'secret', log: silentLog, ...noAudit() },
  });
  t.after(() => admin.close());
  const { address } = admin;
  return (path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') =>
    new Promise<Reply>((resolve, reject) => {
      const asked = request({ ...address, path, headers, method }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const { statusCode: status = 0 } = response;
          resolve({ status, headers: response.headers, body: Buffer.concat(chunks) });
        });
      });
      asked.on('error', reject).end();
    });
}

function assetsIn(page: string): readonly string[] {
  return [...page.matchAll(/(?:src|href)="(\/ui\/[^"]+)"/g)].map(([, path = '']) => path);
}

test('the page names its files, and they are there for good', async (t) => {
  const get = await scene(t);
  const page = await get('/ui/');
  assert.equal(page.status, 200);
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(page.headers['cache-control'], 'no-cache');
  const assets = assetsIn(page.body.toString());
  assert.equal(assets.length, 4);
  for (const path of assets) {
    const { status, headers, body } = await get(path);
    assert.equal(status, 200, path);
    assert.match(String(headers['cache-control']), /immutable/);
    assert(body.length > 100, path);
  }
  const types = await Promise.all(
    assets.map(async (path) => (await get(path)).headers['content-type']),
  );
  assert.deepEqual(types, [
    'image/svg+xml',
    'text/css; charset=utf-8',
    'text/javascript; charset=utf-8',
    'text/javascript; charset=utf-8',
  ]);
});

test('nothing inline and nothing from elsewhere may run', async (t) => {
  const get = await scene(t);
  const { headers, body } = await get('/ui/');
  const policy = String(headers['content-security-policy']);
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.doesNotMatch(policy, /unsafe|http|\*/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.doesNotMatch(body.toString(), /<style|style=|<script(?![^>]* src=)|onclick|https?:/);
});

test('an address of the page is the page, an unknown file is not', async (t) => {
  const get = await scene(t);
  for (const path of ['/ui/pools/app', '/ui/releases/app/r4', '/ui/pools/a%2Fb', '/ui/kv/x.y/z']) {
    const { status, headers } = await get(path);
    assert.deepEqual([status, headers['content-type']], [200, 'text/html; charset=utf-8'], path);
  }
  for (const path of ['/ui/main-AAAA.js', '/ui/none.css']) {
    assert.equal((await get(path)).status, 404, path);
  }
  for (const path of ['/', '/ui']) {
    const { status, headers } = await get(path);
    assert.deepEqual([status, headers['location']], [302, '/ui/'], path);
  }
});

test('it is compressed for who can read that', async (t) => {
  const get = await scene(t);
  const plain = await get('/ui/');
  const small = await get('/ui/', { 'accept-encoding': 'br, gzip' });
  assert.deepEqual(
    [plain.headers['content-encoding'], small.headers['content-encoding']],
    [undefined, 'gzip'],
  );
  assert.equal(small.headers['vary'], 'accept-encoding');
  assert.deepEqual(gunzipSync(small.body), plain.body);
});

test(`all of it is below ${GZIPPED_BYTES_MAX} bytes`, async (t) => {
  const get = await scene(t);
  const seen = new Map<string, number>();
  const waiting = ['/ui/'];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    const { status, headers, body } = await get(path, { 'accept-encoding': 'gzip' });
    assert.equal(status, 200, path);
    if (path.endsWith('.js')) assert.match(String(headers['content-type']), /javascript/, path);
    seen.set(path, body.length);
    const text = gunzipSync(body).toString();
    // What a script loads later stands in it as "./name-HASH.js".
    const chunks = [...text.matchAll(/["']\.\/([\w.-]+-[A-Z0-9]{8}\.js)["']/g)];
    waiting.push(...assetsIn(text), ...chunks.map(([, name = '']) => `/ui/${name}`));
  }
  const bytes = [...seen.values()].reduce((sum, one) => sum + one, 0);
  assert(seen.size >= 4, 'its files were found');
  assert(bytes <= GZIPPED_BYTES_MAX, `${bytes} bytes: ${JSON.stringify([...seen])}`);
});

test('where it is depends on the name that was used only where every address is listened on', () => {
  const [v4, all] = [
    { host: '10.0.0.1', port: 8700 },
    { host: '0.0.0.0', port: 8700 },
  ];
  assert.equal(dashboardUrl(v4, 'registry.local:8500', false), 'http://10.0.0.1:8700/ui/');
  assert.equal(dashboardUrl(all, 'registry.local:8500', true), 'https://registry.local:8700/ui/');
  assert.equal(dashboardUrl(all, '[::1]:8500', false), 'http://[::1]:8700/ui/');
  for (const asked of ['', 'a b', 'evil"<', 'x:y:z', 'host/../']) {
    assert.equal(dashboardUrl(all, asked, false), 'http://0.0.0.0:8700/ui/', asked);
  }
});
