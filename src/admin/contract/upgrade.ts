// The gateway is followed by the program that is on the disk now.

import type { Route } from './route.ts';
import { number, object, type ValueOf } from './shape.ts';

/** `pid`: of the process that has loaded everything and takes over now; the status says when it has. */
export const UPGRADING = object({ pid: number });

export type UpgradingDocument = ValueOf<typeof UPGRADING>;

export const UPGRADE_ROUTES = {
  upgrade: {
    method: 'POST',
    path: '/api/upgrade',
    role: 'release',
    answer: UPGRADING,
    status: 202,
    errors: ['conflict'],
  },
} as const satisfies Readonly<Record<string, Route>>;
