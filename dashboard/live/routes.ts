// Where each route of the control API is, out of the contract. The bundle gets the result alone, written out: the
// checks of what goes in and out are the server's.

import { ROUTE_NAMES, routeOf } from '../../src/admin/contract.ts';

export type RoutePlace = {
  readonly method: 'GET' | 'POST';
  /** `/api/receipts/:id` */
  readonly path: string;
  /** Names. */
  readonly query: readonly string[];
};

/** By name. */
export const ROUTE_PLACES: Readonly<Record<string, RoutePlace>> = Object.fromEntries(
  ROUTE_NAMES.map((name) => {
    const { method, path, query = {} } = routeOf(name);
    return [name, { method, path, query: query === 'raw' ? [] : Object.keys(query) }];
  }),
);
