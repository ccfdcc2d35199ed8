// From a request's host and path to its destination. An exact host beats `*.name`, which beats any host;
// then the longest path prefix. Paths are compared in their normal form (base/request-path.ts), and
// the target is forwarded as it came.

import { normalPath } from '../../base/request-path.ts';
import type { Route } from '../../model.ts';
import { AddressSet } from '../forwarding.ts';
import type { PageRoute } from './pages.ts';

/** Why a request has no route. */
export type NoRoute = { readonly status: 400 | 404; readonly reason: string };

const NOT_FOUND: NoRoute = { status: 404, reason: 'no route for this host and path' };
/** The path decides, and it has no normal form: servers may read it in different ways. */
const BAD_PATH: NoRoute = { status: 400, reason: 'the path of the target is not valid' };

/** Where a request goes. */
export type Destination = { readonly upstream: string } | PageRoute;

type PathRule = {
  readonly path: string;
  readonly destination: Destination;
  /** As it was written. */
  readonly name: string;
};

export class RouteTable {
  readonly #exact = new Map<string, PathRule[]>();
  readonly #wildcard = new Map<string, PathRule[]>();
  readonly #any: PathRule[];
  /** The one route when a single catch-all is all there is. */
  readonly #only: Destination | undefined;
  /** False: every route is for all paths, and nothing depends on how a path is spelled. */
  readonly #hasPaths: boolean;

  constructor(routes: readonly Route[]) {
    const any: PathRule[] = [];
    for (const route of routes) {
      const rule = {
        path: normalPath(route.path) ?? route.path,
        destination: destinationOf(route),
        name: `${route.host}${route.path}`,
      };
      if (route.host === '') any.push(rule);
      else if (route.host.startsWith('*.')) push(this.#wildcard, route.host.slice(1), rule);
      else push(this.#exact, route.host, rule);
    }
    for (const rules of [...this.#exact.values(), ...this.#wildcard.values(), any]) {
      rules.sort((left, right) => right.path.length - left.path.length);
    }
    this.#any = any;
    this.#hasPaths = routes.some(({ path }) => path !== '/');
    this.#only = routes.length === 1 && !this.#hasPaths ? any[0]?.destination : undefined;
  }

  /** `host` lower case without port; `target` in origin-form (or `*`). */
  match(host: string, target: string): Destination | NoRoute {
    if (this.#only !== undefined) return this.#only;
    const path = this.#hasPaths ? normalPath(target) : '/';
    return path === undefined ? BAD_PATH : (this.#find(host, path)?.destination ?? NOT_FOUND);
  }

  /** Host and path of the route, as it was written; '' = none fits. */
  nameOf(host: string, target: string): string {
    const path = this.#hasPaths ? normalPath(target) : '/';
    return path === undefined ? '' : (this.#find(host, path)?.name ?? '');
  }

  #find(host: string, path: string): PathRule | undefined {
    const exact = this.#exact.get(host);
    const found = exact && firstMatch(exact, path);
    if (found !== undefined) return found;
    if (this.#wildcard.size > 0) {
      // Longest suffix first: `a.b.c` tries `.b.c`, then `.c`.
      for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
        const rules = this.#wildcard.get(host.slice(dot));
        const inner = rules && firstMatch(rules, path);
        if (inner !== undefined) return inner;
      }
    }
    return firstMatch(this.#any, path);
  }
}

function destinationOf(route: Route): Destination {
  if ('upstream' in route) return { upstream: route.upstream };
  return { page: route.page, allow: new AddressSet(route.allow) };
}

function firstMatch(rules: readonly PathRule[], path: string): PathRule | undefined {
  for (const rule of rules) {
    if (isUnder(rule.path, path)) return rule;
  }
  return undefined;
}

/** `/api` holds `/api` and `/api/x`, not `/apix`; `/api/` holds `/api/x` alone. */
function isUnder(prefix: string, path: string): boolean {
  if (prefix === '/') return true;
  if (!path.startsWith(prefix)) return false;
  return (
    path.length === prefix.length || prefix.endsWith('/') || path.charAt(prefix.length) === '/'
  );
}

function push(map: Map<string, PathRule[]>, key: string, rule: PathRule): void {
  const rules = map.get(key);
  if (rules === undefined) map.set(key, [rule]);
  else rules.push(rule);
}
