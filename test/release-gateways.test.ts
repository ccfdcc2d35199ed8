// The gateway that a release talks to leaves, or hangs, in each step, and another one is named: that one is
// asked from then on, no server is out that should not be, and the result is right. The control plane is one
// in memory, behind two real control APIs.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Control, serveAdmin } from '../src/admin.ts';
import { SluiceError } from '../src/base/errors.ts';
import { silentLog } from '../src/base/log.ts';
import { formatAddress } from '../src/base/units.ts';
import { createControlClient } from '../src/client.ts';
import { controlStub } from './support/admin/control.ts';
import { server, status, upstream } from './support/admin/documents.ts';
import { noAudit } from './support/admin/server.ts';
import { Link } from './support/gateways/link.ts';
import { deploy, type FakeControl, outcomes, scene, when } from './support/release/builders.ts';

function controlOf(fake: FakeControl, asked: string[], changes: Partial<Control> = {}): Control {
  const note = <Result>(what: string, result: Promise<Result>): Promise<Result> => {
    asked.push(what);
    return result;
  };
  return controlStub({
    status: () =>
      note(
        'status',
        fake.status().then(({ upstreams }) =>
          status(
            upstreams.map(({ name, servers }) =>
              upstream(
                name,
                servers.map(({ id, ...facts }) => server(id, facts)),
              ),
            ),
          ),
        ),
      ),
    setAdmin: async (name, id, change) => ({
      server: id,
      ...(await note(change.state, fake.setAdmin(name, id, change))),
    }),
    awaitIdle: async (name, id, ms) => ({
      server: id,
      ...(await note('idle', fake.awaitIdle(name, id, ms))),
    }),
    ...changes,
  });
}

async function serve(t: TestContext, control: Control) {
  const admin = await serveAdmin({
    ...{ control, readiness: () => ({ reason: '', isClosing: false }) },
    ...{ host: '127.0.0.1', port: 0, token: '', log: silentLog, ...noAudit() },
  });
  t.after(() => admin.close());
  return admin.address;
}

for (const how of ['cut', 'hold'] as const) {
  for (const step of ['guard', 'drain', 'check', 'admit']) {
    test(`${how === 'cut' ? 'it leaves' : 'it hangs'} in ${step}: the other one is asked`, async (t) => {
      const { service, control: fake, a } = await scene(t);
      const asked: string[] = [];
      const link = await Link.open(t, await serve(t, controlOf(fake, [])));
      const other = await serve(t, controlOf(fake, asked));
      const url = `${formatAddress(link.address)},${formatAddress(other)}`;
      const client = createControlClient({ url, timeoutMs: 1000 });
      let before = 0;
      const leave = when(a, step, 'start', () => {
        before = asked.length;
        link[how]();
      });
      const deployed = await deploy(service, client, 'v2', { ...leave, controlRetryMs: 10_000 });
      link.mend();
      assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
      assert.ok(fake.eligibleMin >= 1);
      // Named last, it is not asked before it must be.
      assert.deepEqual([before, asked.length > 0], [0, true]);
      assert.deepEqual(fake.calls.filter((call) => call.endsWith('ready')).length, 2);
    });
  }
}

test('the one that has the receipt leaves for good: the result is right, and says what is not known', async (t) => {
  const { service, control: fake, a } = await scene(t);
  const link = await Link.open(t, await serve(t, controlOf(fake, [])));
  const readReceipt = async (): Promise<never> => {
    throw new SluiceError('not_found', 'receipt r1: unknown');
  };
  const other = await serve(t, controlOf(fake, [], { readReceipt }));
  const url = `${formatAddress(link.address)},${formatAddress(other)}`;
  const client = createControlClient({ url, timeoutMs: 1000 });
  const leave = when(a, 'admit', 'start', () => link.cut());
  const deployed = await deploy(service, client, 'v2', { ...leave, controlRetryMs: 10_000 });
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
  assert.equal(deployed.result.exit, 0);
  const notes = deployed.events.flatMap((event) => (event.type === 'note' ? [event.text] : []));
  assert.match(notes.join('\n'), /^receipt: .*nothing is counted after/m);
  assert.notEqual(deployed.result.receipt?.complete, true);
});
