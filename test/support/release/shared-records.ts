// The records of releases as the gateways of one registry keep them, for a release in a test.

import type { TestContext } from 'node:test';
import { silentLog } from '../../../src/base/log.ts';
import { SharedReleases } from '../../../src/control.ts';
import { MemoryRegistry } from '../gateways/memory-registry.ts';
import type { FakeControl } from './builders.ts';

/** A gateway's records on a registry in memory; the control's changes are checked with its locks. */
export function shareRecords(
  t: Pick<TestContext, 'after'>,
  control: FakeControl,
  registry = new MemoryRegistry(),
): SharedReleases {
  const store = registry.client();
  const releases = new SharedReleases({
    ...{ store, prefix: 'sluice/', log: silentLog, firstFence: 1 },
    drainedBy: () => [],
    giveBack: async () => {},
    onGivenBack: () => {},
  });
  t.after(() => releases.stop());
  control.releases = releases;
  control.claim = async (lock) => void (await releases.claim(lock));
  return releases;
}
