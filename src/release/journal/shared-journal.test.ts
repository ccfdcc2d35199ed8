// A release that may ask several gateways keeps its lock when one of them ends, or stands still.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { controlStub } from '../../../test/support/admin/control.ts';
import { noAudit } from '../../../test/support/admin/server.ts';
import { MemoryRegistry } from '../../../test/support/gateways/memory-registry.ts';
import { FakeControl } from '../../../test/support/release/builders.ts';
import { shareRecords } from '../../../test/support/release/shared-records.ts';
import type { TakeRequest } from '../../admin/contract.ts';
import { serveAdmin } from '../../admin.ts';
import { silentLog } from '../../base/log.ts';
import { createControlClient } from '../../client.ts';
import { SharedJournal } from './shared-journal.ts';

const TAKE: TakeRequest = {
  ...{ kind: 'deploy', version: 'v1', upstream: 'app', user: 'ann', runner: 'pid 1 on ci-1' },
  ...{ ticket: '', why: '', of: '', resume: '', atLeast: 1, deadFence: 0 },
};

async function gateway(t: TestContext, registry: MemoryRegistry) {
  const releases = shareRecords(t, new FakeControl([]), registry);
  const admin = await serveAdmin({
    control: controlStub({ releases }),
    readiness: () => ({ reason: '', isClosing: false }),
    ...{ host: '127.0.0.1', port: 0, token: '', log: silentLog, ...noAudit() },
  });
  t.after(() => admin.close().catch(() => {}));
  return { admin, releases, url: `http://127.0.0.1:${admin.address.port}` };
}

/** It takes connections and answers nothing, as a process that is stopped. */
async function stoppedGateway(t: TestContext): Promise<string> {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}

async function begin(t: TestContext, url: string) {
  const { releases: records } = createControlClient({ url });
  const { fence } = await records.take('app', TAKE);
  const journal = new SharedJournal({ records, service: 'app', fence });
  t.after(() => journal.stop());
  return journal;
}

const never = new AbortController().signal;
const record = (seq: number) =>
  ({ seq, ts: '2026-01-01T00:00:00.000Z', kind: 'note', instance: 'a:1', step: '' }) as const;

test('the lock outlives the gateway that it was taken through', async (t) => {
  const registry = new MemoryRegistry();
  const [a, b] = [await gateway(t, registry), await gateway(t, registry)];
  const journal = await begin(t, `${a.url},${b.url}`);
  journal.start();
  journal.send(record(0));
  await journal.flush(5000, never);
  a.releases.stop();
  await a.admin.close();
  journal.send(record(1));
  await journal.flush(10_000, never);
  const heard = new Promise<string>((resolve) => {
    journal.onCommand = ({ command }) => resolve(command);
  });
  await b.releases.command('app', { command: 'pause', owner: 'user:bob', why: '' });
  assert.equal(await heard, 'pause');
  assert.equal(journal.loss, null);
  const { records } = await b.releases.journal('app', '');
  assert.deepEqual(
    records.map(({ seq }) => seq),
    [0, 1],
  );
  await journal.close({ outcome: 'succeeded', exit: 0, reason: '', complete: true }, 5000);
});

test('a gateway that stands still is left for the next one before the lock is old', async (t) => {
  const registry = new MemoryRegistry();
  const b = await gateway(t, registry);
  const journal = await begin(t, b.url);
  const before = (await b.releases.history('app')).lock?.beat ?? 0;
  // From here on the first one does not answer.
  const { releases: records } = createControlClient({ url: `${await stoppedGateway(t)},${b.url}` });
  const held = new SharedJournal({ records, service: 'app', fence: journal.fence });
  t.after(() => held.stop());
  held.start();
  const deadlineMs = performance.now() + 12_000;
  while (((await b.releases.history('app')).lock?.beat ?? 0) === before) {
    assert(performance.now() < deadlineMs, 'not renewed');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await b.releases.close('app', {
    ...{ fence: journal.fence, outcome: 'succeeded', exit: 0, reason: '', complete: true },
  });
});

test('a release that is over keeps no connection open', async (t) => {
  const { url } = await gateway(t, new MemoryRegistry());
  const { releases } = createControlClient({ url });
  const { fence } = await releases.take('app', TAKE);
  const renewing = Promise.withResolvers<AbortSignal | undefined>();
  const records: typeof releases = {
    ...releases,
    renew: (service, body, stop) => {
      renewing.resolve(stop);
      return releases.renew(service, body, stop);
    },
  };
  const journal = new SharedJournal({ records, service: 'app', fence });
  t.after(() => journal.stop());
  journal.start();
  const stop = await renewing.promise;
  assert.equal(stop?.aborted, false);
  journal.stop();
  assert.equal(stop?.aborted, true);
});
