// The two situations of a gateway: alone with its registry, and beside others.

import type { Scope } from '../../../src/base/scope.ts';

export const ALONE: Scope = { gateway: 'pid 100 on web-1', sharedRegistry: '' };
export const SHARED: Scope = {
  gateway: 'pid 100 on web-1',
  sharedRegistry: 'the Consul at 10.0.0.1:8500',
};
