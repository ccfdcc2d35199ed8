// A worker asks for pages; what the primary does with the messages is the test's.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PageRequests } from './page-requests.ts';
import type { FromWorker } from './protocol.ts';

const PAGE = { contentType: 'text/plain', body: 'all is well' };

function scene() {
  const asked: Extract<FromWorker, { kind: 'page' }>[] = [];
  const pages = new PageRequests((message) => {
    if (message.kind === 'page') asked.push(message);
  }, 1000);
  return { asked, pages };
}

test('a page that many ask for at a time is asked for once, and anew after it came', async () => {
  const { asked, pages } = scene();
  const reads = [1, 2, 3].map(() => pages.read('upstream_list', 'app'));
  const other = pages.read('upstream_status', 'app');
  assert.deepEqual(
    asked.map(({ name, query }) => `${name}?${query}`),
    ['upstream_list?app', 'upstream_status?app'],
  );
  pages.answered(asked[0]?.request ?? 0, PAGE);
  assert.deepEqual(await Promise.all(reads), [PAGE, PAGE, PAGE]);
  pages.answered(asked[1]?.request ?? 0, null);
  await assert.rejects(other);
  const again = pages.read('upstream_list', 'app');
  assert.equal(asked.length, 3);
  pages.answered(asked[2]?.request ?? 0, PAGE);
  await again;
});

test('a primary that does not answer costs a deadline and so many waiters', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { asked, pages } = scene();
  const reads = Array.from({ length: 16 }, (_, count) => pages.read('upstream_list', `${count}`));
  await assert.rejects(pages.read('upstream_list', 'one more'));
  assert.equal(asked.length, 16);
  const overdue = Promise.all(reads.map((read) => assert.rejects(read)));
  t.mock.timers.tick(1000);
  await overdue;
  // Too late: nobody waits, and the next request is another one.
  pages.answered(1, PAGE);
  const next = pages.read('upstream_list', '0');
  pages.answered(asked[16]?.request ?? 0, PAGE);
  assert.equal(await next, PAGE);
});
