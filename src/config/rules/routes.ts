// The rules of routes that the values alone do not show: names that must exist, an upstream or a
// page, and what no request would reach.

import { unknownUpstream } from '../../base/suggest.ts';
import { isCidr } from '../../base/units.ts';
import type { RouteFile } from '../sections/upstream.ts';
import { show } from '../sections/values.ts';
import type { Findings, Part, Parts } from './upstreams.ts';

export function checkRoutes({ routes, upstreams }: Parts, findings: Findings): void {
  const names = [...upstreams.keys()];
  // A route that cannot be read may be the one to an upstream.
  const pagesAlone = routes.every(({ value }) => value?.page !== undefined);
  if (pagesAlone && names.length > 1) {
    const lack = routes.length === 0 ? 'no routes' : 'no route to one';
    findings.problem(
      ['upstreams'],
      `${names.length} upstreams and ${lack}: no request would reach them; add routes: [{ path: /, upstream: ${names[0]} }]`,
      'key',
    );
  }
  const seen = new Map<string, number>();
  for (const [index, { path, value }] of routes.entries()) {
    if (value === undefined) continue;
    if (value.upstream !== undefined && !upstreams.has(value.upstream)) {
      findings.problem([...path, 'upstream'], unknownUpstream(value.upstream, names));
    }
    checkPage({ path, value }, findings);
    const key = `${value.host.toLowerCase()}${value.path}`;
    const earlier = seen.get(key);
    if (earlier !== undefined) {
      findings.problem(path, `has the host and path of routes[${earlier}]; remove one`);
    }
    seen.set(key, earlier ?? index);
  }
}

type Route = { readonly path: Part<RouteFile>['path']; readonly value: RouteFile };

function checkPage({ path, value }: Route, findings: Findings): void {
  const { upstream, page, allow } = value;
  if (upstream === undefined && page === undefined) {
    findings.problem([...path, 'upstream'], 'is missing; write it, or page: upstream_status');
  } else if (upstream !== undefined && page !== undefined) {
    findings.problem([...path, 'page'], 'page and upstream exclude each other; keep one', 'key');
  } else if (page !== undefined && value.host === '' && value.path === '/') {
    findings.problem([...path, 'page'], `would answer every request; add path: /${page}`, 'key');
  }
  if (allow !== undefined && page === undefined) {
    findings.problem([...path, 'allow'], 'is for pages alone; remove it', 'key');
    return;
  }
  for (const [index, block] of (allow ?? []).entries()) {
    const place = [...path, 'allow', index];
    if (!isCidr(block)) {
      const remedy = /^(all|any|\*)$/i.test(block)
        ? 'write 0.0.0.0/0 and ::/0 to mean everybody'
        : block === 'localhost'
          ? 'write 127.0.0.0/8 and ::1, or leave allow out'
          : 'write one like 10.0.0.0/8';
      findings.problem(place, `${show(block)} is not an IP address or CIDR block; ${remedy}`);
    } else if (/\/0+$/.test(block)) {
      findings.warning(place, `${block} shows the names and states of all servers to everybody`);
    }
  }
}
