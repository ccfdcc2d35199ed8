// From a request's host and path to the name of an upstream. An exact host beats `*.name`, which
// beats any host; then the longest path prefix wins. The path is matched as it came, byte for byte
// (percent-encoding and dot segments included), and forwarded the same way.

import type { Route } from '../upstream.ts';

type PathRule = { readonly path: string; readonly upstream: string };

export class RouteTable {
  readonly #exact = new Map<string, PathRule[]>();
  readonly #wildcard = new Map<string, PathRule[]>();
  readonly #any: PathRule[];
  /** The one upstream when a single catch-all route is all there is. */
  readonly #only: string | undefined;

  constructor(routes: readonly Route[]) {
    const any: PathRule[] = [];
    for (const { host, path, upstream } of routes) {
      const rule = { path, upstream };
      if (host === '') any.push(rule);
      else if (host.startsWith('*.')) push(this.#wildcard, host.slice(1), rule);
      else push(this.#exact, host, rule);
    }
    for (const rules of [...this.#exact.values(), ...this.#wildcard.values(), any]) {
      rules.sort((left, right) => right.path.length - left.path.length);
    }
    this.#any = any;
    const first = routes[0];
    this.#only =
      routes.length === 1 && first?.host === '' && first.path === '/' ? first.upstream : undefined;
  }

  /** `host` lower case without port; `target` in origin-form (or `*`). */
  match(host: string, target: string): string | undefined {
    if (this.#only !== undefined) return this.#only;
    const exact = this.#exact.get(host);
    const found = exact && firstMatch(exact, target);
    if (found !== undefined) return found;
    if (this.#wildcard.size > 0) {
      // Longest suffix first: `a.b.c` tries `.b.c`, then `.c`.
      for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
        const rules = this.#wildcard.get(host.slice(dot));
        const upstream = rules && firstMatch(rules, target);
        if (upstream !== undefined) return upstream;
      }
    }
    return firstMatch(this.#any, target);
  }
}

function firstMatch(rules: readonly PathRule[], target: string): string | undefined {
  for (const { path, upstream } of rules) {
    if (isUnder(path, target)) return upstream;
  }
  return undefined;
}

/** `/api` holds `/api`, `/api/x` and `/api?x`, not `/apix`; `/api/` holds `/api/x` alone. */
function isUnder(path: string, target: string): boolean {
  if (path === '/') return true;
  if (!target.startsWith(path)) return false;
  if (target.length === path.length || path.endsWith('/')) return true;
  const next = target.charCodeAt(path.length);
  return next === 0x2f || next === 0x3f;
}

function push(map: Map<string, PathRule[]>, key: string, rule: PathRule): void {
  const rules = map.get(key);
  if (rules === undefined) map.set(key, [rule]);
  else rules.push(rule);
}
