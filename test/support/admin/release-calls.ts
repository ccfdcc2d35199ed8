// A good call of each route of the releases.

import { requestOf } from '../../../src/admin/contract.ts';

const SERVICE = { service: 'app' } as const;
const RECORD = {
  ...{ seq: 0, ts: '2026-01-01T00:00:00.000Z', kind: 'intent', instance: 'a:1', step: 'drain' },
  ...{ fence: 1, data: {} },
};

export const RELEASE_CALLS = {
  releases: requestOf('releases', SERVICE),
  releaseJournal: requestOf('releaseJournal', { ...SERVICE, release: 'r1' }),
  takeLock: requestOf('takeLock', {
    ...SERVICE,
    body: {
      ...{ kind: 'deploy', version: 'v1', upstream: 'app', user: 'ann', runner: 'pid 1 on a' },
      ...{ ticket: '', why: '', of: '', resume: '', atLeast: 1, deadFence: 0 },
    },
  }),
  renewLock: requestOf('renewLock', { ...SERVICE, body: { fence: 1, heard: 0, waitMs: 0 } }),
  appendRecords: requestOf('appendRecords', {
    ...SERVICE,
    body: { fence: 1, records: [RECORD] },
  }),
  closeRelease: requestOf('closeRelease', {
    ...SERVICE,
    body: { fence: 1, outcome: 'succeeded', exit: 0, reason: '', complete: true },
  }),
  commandRelease: requestOf('commandRelease', {
    ...SERVICE,
    body: { command: 'abort', owner: 'user:ann', why: '' },
  }),
  instanceRecords: requestOf('instanceRecords', SERVICE),
  putInstanceRecord: requestOf('putInstanceRecord', {
    ...{ ...SERVICE, instance: 'a:1' },
    body: { fence: 1, record: {} },
  }),
  releaseOverview: requestOf('releaseOverview', { last: 5 }),
  startRelease: requestOf('startRelease', {
    service: 'app',
    body: {
      ...{ kind: 'deploy', version: 'v2', why: '', owner: 'user:alice' },
      ...{ force: false, allowDowntime: false, skipBuild: false },
    },
  }),
  releaseRun: requestOf('releaseRun', { service: 'app' }),
  releasePlan: requestOf('releasePlan', { service: 'app', kind: 'deploy', version: 'v2' }),
  instanceOutput: requestOf('instanceOutput', { service: 'app', instance: 'a:1', last: 5 }),
} as const;
