// A good call of each route of the records.

import { requestOf } from '../../../src/admin/contract.ts';

const PLACE = { registry: '', key: 'upstreams/app/a:1' } as const;

export const KV_CALLS = {
  kvList: requestOf('kvList', {
    ...{ registry: '', prefix: 'upstreams/', after: '', separator: '/', find: '' },
  }),
  kvEntry: requestOf('kvEntry', PLACE),
  kvEffect: requestOf('kvEffect', { ...PLACE, value: '{}', remove: '' }),
  kvWrite: requestOf('kvWrite', { body: { ...PLACE, value: '{}', index: 0, force: false } }),
  kvRemove: requestOf('kvRemove', {
    body: { ...PLACE, index: 1, prefix: false, count: 1, force: false },
  }),
} as const;
