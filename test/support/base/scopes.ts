// The situations of a gateway: alone with its registry, with others, and with others of which one is silent.

import type { Scope } from '../../../src/base/scope.ts';

export const ALONE: Scope = { gateway: 'pid 100 on web-1', heard: [], unheard: [] };
/** Both others have confirmed. */
export const TOGETHER: Scope = {
  gateway: 'pid 100 on web-1',
  heard: ['pid 7 on web-2', 'pid 8 on web-3'],
  unheard: [],
};
/** One has confirmed, one is silent. */
export const PARTIAL: Scope = {
  gateway: 'pid 100 on web-1',
  heard: ['pid 7 on web-2'],
  unheard: ['pid 8 on web-3 (silent since 12:00:01Z)'],
};
