import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../test/support/base/random.ts';
import { startNginxAnswers } from '../../../test/support/peers/nginx.ts';
import type { Route } from '../../model.ts';
import { RouteTable } from './route.ts';

function table(...routes: readonly (readonly [host: string, path: string])[]): RouteTable {
  return new RouteTable(
    routes.map(([host, path]): Route => ({ host, path, upstream: `${host}${path}` })),
  );
}

/** The upstream, or the status. */
function found(routes: RouteTable, host: string, target: string): string {
  const route = routes.match(host, target);
  if ('status' in route) return String(route.status);
  return 'upstream' in route ? route.upstream : route.page;
}

const SPELLED: readonly (readonly [target: string, upstream: string])[] = [
  ['/admin', '/admin'],
  ['/admin?x', '/admin'],
  ['/admin?/../x', '/admin'],
  ['/adminx', '/'],
  ['/Admin', '/'],
  ['/%61dmin/x', '/admin'],
  ['//admin/x', '/admin'],
  ['/./admin/x', '/admin'],
  ['/x/../admin/y', '/admin'],
  ['/x/%2e%2e/admin/y', '/admin'],
  ['/x%2f..%2fadmin', '/admin'],
  ['/admin%2fx', '/admin'],
  ['/admin/../x', '/'],
  ['/admin/..', '/'],
  ['/admin/%2E%2e/x', '/'],
  // An encoded `?` is a character of the path, and no border.
  ['/admin%3fx', '/'],
  ['/admin%00', '400'],
  ['/../admin', '400'],
  ['/admin/%zz', '400'],
  ['/x/../../admin', '400'],
  ['*', '/'],
  ['/caf%c3%a9/x', '/caf%C3%A9'],
  ['/a%20b/x', '/a%20b'],
];

test('a path is routed by what it means, not by how it is spelled', () => {
  const routes = table(['', '/admin'], ['', '/'], ['', '/caf%C3%A9'], ['', '/a%20b']);
  for (const [target, upstream] of SPELLED) {
    assert.equal(found(routes, 'app', target), upstream, target);
  }
});

test('an exact host, then the longest wildcard, then any; the longest path in each', () => {
  const routes = table(
    ['a.example', '/api'],
    ['a.example', '/api/v2'],
    ['*.example', '/'],
    ['*.b.example', '/x/'],
    ['', '/api'],
  );
  for (const [host, target, upstream] of [
    ['a.example', '/api/v2/y', 'a.example/api/v2'],
    ['a.example', '/api/v2x', 'a.example/api'],
    ['a.example', '/y', '*.example/'],
    ['c.b.example', '/x/y', '*.b.example/x/'],
    ['c.b.example', '/x', '*.example/'],
    ['example', '/api', '/api'],
    ['example', '/', '404'],
    ['a.example', '/%', '400'],
  ] as const) {
    assert.equal(found(routes, host, target), upstream, `${host}${target}`);
  }
});

test('where no route has a path, every path passes as it came', () => {
  const odd = ['/%zz', '/../x', '/a%00', '*'];
  for (const target of odd) {
    assert.equal(found(table(['', '/']), 'app', target), '/');
    assert.equal(found(table(['app', '/'], ['', '/']), 'app', target), 'app/');
  }
});

test('nginx takes the same route', async (t) => {
  const paths = ['/', '/admin', '/admin/private', '/a/b/', '/api'];
  const locations = paths.map((path) => {
    const answer = `{ return 200 ${path}; }`;
    if (path.endsWith('/')) return `location ^~ ${path} ${answer}`;
    // Ours end at a border of segments.
    return `location = ${path} ${answer} location ^~ ${path}/ ${answer}`;
  });
  const nginx = await startNginxAnswers(t, locations.join('\n'));
  if (nginx === undefined) return;
  const routes = table(...paths.map((path) => ['', path] as const));
  const random = seededRandom(4_711);
  const any = (list: readonly string[]): string => list[Math.floor(random() * list.length)] ?? '';
  const names = ['admin', 'private', 'a', 'b', 'api', 'x', '', '.', '..', '%2e%2e', '.%2e', '%61'];
  const spelled = (name: string): string =>
    [...name].map((letter) => (random() < 0.15 ? percent(letter) : letter)).join('');
  for (let count = 0; count < 600; count += 1) {
    const segments = Array.from({ length: 1 + Math.floor(random() * 5) }, () =>
      spelled(any(names)),
    );
    const target = `/${segments.join(any(['/', '/', '//', '%2F']))}${any(['', '', '?/../x', '%'])}`;
    const answer: { status: number; body: string } = await nginx.ask(
      `GET ${target} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n`,
    );
    const expected = answer.status === 200 ? answer.body : String(answer.status);
    assert.equal(found(routes, 'app', target), expected, target);
  }
});

function percent(letter: string): string {
  return `%${letter.charCodeAt(0).toString(16)}`;
}
