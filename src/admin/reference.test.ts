// docs/control-api.md: every route with its fields and errors and every metric is on the page, and no
// route, error or metric is there that does not exist.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { server, socketMetrics, status, upstream } from '../../test/support/admin/documents.ts';
import { EVERYWHERE, ROUTE_NAMES, type RouteName, routeOf } from './contract.ts';
import { renderMetrics } from './pages.ts';

const PAGE = readFileSync(new URL('../../docs/control-api.md', import.meta.url), 'utf8');
const STATUS = status([upstream('app', [server('127.0.0.1:9001')])]);

/** What stands below the heading of each route. */
const SECTIONS = new Map(
  PAGE.split(/^#{2,3} /m).flatMap((section) => {
    const heading = /^`([A-Z]+ \/\S+)`\n/.exec(section)?.[1];
    return heading === undefined ? [] : [[heading, section] as const];
  }),
);

function headingOf(name: RouteName): string {
  const { method, path } = routeOf(name);
  return `${method} ${path}`;
}

test('every route has its heading, and every heading its route', () => {
  assert.deepEqual([...SECTIONS.keys()].toSorted(), ROUTE_NAMES.map(headingOf).toSorted());
});

test('what a request carries is named below its route', () => {
  const missing = ROUTE_NAMES.flatMap((name) => {
    const { query = {}, body } = routeOf(name);
    const names = [...(query === 'raw' ? [] : Object.keys(query)), ...(body?.names ?? [])];
    const section = SECTIONS.get(headingOf(name)) ?? '';
    return names
      .filter((key) => !section.includes(`\`${key}\``) && !section.includes(`"${key}"`))
      .map((key) => `${headingOf(name)}: ${key}`);
  });
  assert.deepEqual(missing, []);
});

test('every field of an answer is named', () => {
  const fields = ROUTE_NAMES.flatMap((name) => {
    const { answer } = routeOf(name);
    return answer === 'text' || answer === 'stream' ? [] : answer.names;
  });
  const missing = new Set(
    fields.filter((name) => !new RegExp(`[\`"]${name}(\\[\\])?[\`"]`).test(PAGE)),
  );
  assert.deepEqual([...missing], []);
});

test('what a route refuses with stands below it, and nothing else does', () => {
  const wrong = ROUTE_NAMES.flatMap((name) => {
    const section = SECTIONS.get(headingOf(name)) ?? '';
    const line = /^Errors: (.*)\.$/m.exec(section)?.[1] ?? '';
    // What stands in brackets says when.
    const listed = [...line.replaceAll(/\(.*?\)/g, '').matchAll(/`(\w+)`/g)].map(
      ([, code]) => code,
    );
    const { errors } = routeOf(name);
    return listed.join() === errors.join() ? [] : [`${headingOf(name)}: ${errors.join()}`];
  });
  assert.deepEqual(wrong, []);
});

test('the role that a route needs stands below it where it is more than read', () => {
  const wrong = ROUTE_NAMES.filter((name) => {
    const said = /^Role: `(\w+)`\./m.exec(SECTIONS.get(headingOf(name)) ?? '')?.[1] ?? 'read';
    const { role } = routeOf(name);
    return said !== (role === 'open' || role === 'anybody' ? 'read' : role);
  });
  assert.deepEqual(wrong, []);
});

test('what every route may refuse with is among the rules for all of it', () => {
  const rules = PAGE.slice(PAGE.indexOf('## Rules for all of it'), PAGE.indexOf('## Status'));
  const codes = EVERYWHERE.filter((code) => !rules.includes(`\`${code}\``));
  assert.deepEqual(codes, []);
});

test('every metric has its row, and every row its metric', async () => {
  const text = await renderMetrics({
    ...{ status: STATUS, workerCrashes: 0, sockets: socketMetrics(), upstreams: [] },
  });
  const names = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
  const rows = [...PAGE.matchAll(/^\| `(sluice_\w+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(rows.toSorted(), names.toSorted());
});
