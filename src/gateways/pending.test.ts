// An intent that the registry has not taken yet: nobody else has it, and nobody says so.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openClient, startEmbedded } from '../../test/support/registry/builders.ts';
import { silentLog } from '../base/log.ts';
import { Gateways } from '../gateways.ts';
import type { Admin } from '../model.ts';
import type { RecordStore } from '../registry.ts';

const SERVER = '127.0.0.1:1';
const DRAIN: Admin = { state: 'drain', owner: 'user:test', reason: '', sinceMs: 1 };

type Side = { readonly gateways: Gateways; readonly admins: Map<string, Admin> };

/** A gateway that has every intent in force at once. */
function join(t: TestContext, store: RecordStore, id: string): Side {
  const admins = new Map<string, Admin>();
  let token = '';
  const gateways = new Gateways({
    ...{ store, prefix: 'sluice/', id, leaseMs: 10_000, forgetMs: 60_000, log: silentLog },
    describe: () => ({
      ...{ name: id, version: '1', control: '127.0.0.1:1', startedAtMs: 1 },
      upstreams: ['app'],
    }),
    view: () => ({ token, capacity: 1, out: new Map() }),
    applied: () => ({ index: 1, generation: 1 }),
    receipts: { count: async () => assert.fail(), forget: () => {} },
    onIntents: (_, next, all) => {
      token = next;
      admins.clear();
      for (const [server, admin] of all) admins.set(server, admin);
      gateways.note();
    },
    beside: async () => [],
    onPending: () => {},
  });
  void gateways.join(0);
  t.after(() => gateways.close());
  return { gateways, admins };
}

test('what waits for the registry is confirmed by nobody, until it is there', async (t) => {
  const { address } = await startEmbedded(t);
  const store = openClient(t, [address], { waitMs: 5_000 });
  let isStuck = false;
  // Reads and watches work; a write finds nobody, as in an election.
  const stuck: RecordStore = {
    ...bound(store),
    commit: async (writes) => {
      while (isStuck) await delay(10);
      return store.commit(writes);
    },
  };
  const [here, there] = [join(t, stuck, 'a'), join(t, store, 'b')];
  const isConfirmed = (): boolean =>
    here.gateways.elsewhere('app').length === 1 &&
    here.gateways.elsewhere('app').every(({ isCurrent }) => isCurrent);
  await here.gateways.look(5_000);
  await until(isConfirmed);
  isStuck = true;
  here.gateways.keep({ upstream: 'app', server: SERVER, admin: DRAIN });
  assert.equal(here.admins.get(SERVER)?.state, 'drain');
  assert.equal(isConfirmed(), false);
  assert.equal(there.admins.size, 0);
  isStuck = false;
  await until(isConfirmed);
  assert.equal(there.admins.get(SERVER)?.state, 'drain');
});

/** Its methods as an object, so that one of them can be replaced. */
function bound(store: RecordStore): RecordStore {
  return {
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    put: (key, value, options) => store.put(key, value, options),
    delete: (key, options) => store.delete(key, options),
    commit: (writes) => store.commit(writes),
    openLease: (options) => store.openLease(options),
    watch: (prefix, events) => store.watch(prefix, events),
    health: () => store.health(),
    close: () => store.close(),
  };
}

async function until(isThere: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!isThere()) {
    assert.ok(performance.now() < deadlineMs, 'not in time');
    await delay(10);
  }
}
