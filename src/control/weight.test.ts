// A registry that hangs: said within the time in which the CLI waits, and what became of the write.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { KvEntry, RecordStore } from '../registry.ts';
import { writeWeight } from './weight.ts';

const ENTRY: KvEntry = {
  key: 'upstreams/app/a:1',
  value: Buffer.from('{"weight":1}'),
  flags: '0',
  createIndex: 1,
  modifyIndex: 1,
  lockIndex: 0,
};

/** Its answers come when the test gives them. */
class StuckStore implements RecordStore {
  readonly writes: string[] = [];
  readonly reads: ((entry: KvEntry) => void)[] = [];

  get(): Promise<KvEntry> {
    return new Promise((resolve) => this.reads.push(resolve));
  }

  put(_key: string, value: Uint8Array | string): Promise<boolean> {
    this.writes.push(String(value));
    return new Promise(() => {});
  }

  list(): Promise<never> {
    throw new Error('not asked');
  }

  delete(): Promise<never> {
    throw new Error('not asked');
  }

  commit(): Promise<never> {
    throw new Error('not asked');
  }

  openLease(): Promise<never> {
    throw new Error('not asked');
  }

  watch(): never {
    throw new Error('not asked');
  }

  health(): never {
    throw new Error('not asked');
  }

  close(): void {}
}

function begin(t: TestContext): { store: StuckStore; written: Promise<void> } {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const store = new StuckStore();
  const which = { prefix: 'upstreams/', upstream: 'app', server: 'a:1', configured: undefined };
  return { store, written: writeWeight({ ...which, store, weight: 2 }) };
}

test('gives up on a registry that does not answer, and writes nothing afterwards', async (t) => {
  const { store, written } = begin(t);
  t.mock.timers.tick(8000);
  await assert.rejects(written, {
    code: 'registry_unreachable',
    message:
      'weight of a:1 in upstream "app": no answer from the registry within 8s; ' +
      'nothing was written; is its process stuck?',
  });
  store.reads[0]?.(ENTRY);
  await new Promise(setImmediate);
  assert.deepEqual(store.writes, []);
});

test('says that the write may still take effect when it was under way', async (t) => {
  const { store, written } = begin(t);
  store.reads[0]?.(ENTRY);
  await new Promise(setImmediate);
  assert.deepEqual(store.writes, ['{"weight":2}']);
  t.mock.timers.tick(8000);
  await assert.rejects(written, { code: 'registry_unreachable', message: /may still change; see/ });
});
