import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../test/support/base/random.ts';
import { startNginxAnswers } from '../../test/support/peers/nginx.ts';
import { normalPath } from './request-path.ts';

const PATHS: readonly (readonly [target: string, path: string | undefined])[] = [
  ['/', '/'],
  ['/admin', '/admin'],
  ['/admin/', '/admin/'],
  ['/admin?x=/../y', '/admin'],
  ['/?//%zz', '/'],
  ['/%61dmin/x', '/admin/x'],
  ['/%2561dmin', '/%61dmin'],
  ['//admin/x', '/admin/x'],
  ['///', '/'],
  ['/./admin/x', '/admin/x'],
  ['/x/../admin/y', '/admin/y'],
  ['/x/%2e%2e/admin/y', '/admin/y'],
  ['/x/.%2E/admin', '/admin'],
  ['/x%2f..%2Fadmin', '/admin'],
  ['/%2fadmin', '/admin'],
  ['/x//../admin', '/admin'],
  ['/admin/../x', '/x'],
  ['/admin/.', '/admin/'],
  ['/admin/..', '/'],
  ['/a/b/..', '/a/'],
  ['/.', '/'],
  ['/.../..a/a../.b', '/.../..a/a../.b'],
  ['/%3f', '/?'],
  ['/%23%25', '/#%'],
  ['/%C3%a9', '/\xc3\xa9'],
  ['/a%20b+c', '/a b+c'],
  ['/a;b/..;/c', '/a;b/..;/c'],
  ['/a\\..\\b', '/a\\..\\b'],
  ['/..', undefined],
  ['/../x', undefined],
  ['//..', undefined],
  ['/a/../..', undefined],
  ['/%2e%2e/x', undefined],
  ['/%', undefined],
  ['/%4', undefined],
  ['/%zz', undefined],
  ['/%u0041', undefined],
  ['/a%00', undefined],
  ['/%00?x', undefined],
];

test('a path has one form, however it is spelled', () => {
  for (const [target, path] of PATHS) assert.equal(normalPath(target), path, target);
});

test('nginx makes the same of every path', async (t) => {
  const nginx = await startNginxAnswers(t, 'return 200 $uri;');
  if (nginx === undefined) return;
  const random = seededRandom(31_337);
  const pieces = [
    ...['/', '/', '/', '/', '.', '..', '.', 'a', 'admin', 'B', '%2f', '%2F', '%2e', '%2E', '%61'],
    ...['%25', '%3f', '%23', '?', '%c3%a9', '%20', '+', ';', '\\', '~', '%', '%z', '%00', '%0a'],
  ];
  const targets = Array.from({ length: 600 }, () => {
    const length = 1 + Math.floor(random() * 9);
    const parts = Array.from({ length }, () => pieces[Math.floor(random() * pieces.length)]);
    return `/${parts.join('')}`;
  });
  for (const target of [...PATHS.map(([target]) => target), ...targets]) {
    const answer: { status: number; body: string } = await nginx.ask(
      `GET ${target} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n`,
    );
    const path = normalPath(target);
    assert.equal(answer.status, path === undefined ? 400 : 200, target);
    if (path !== undefined) assert.equal(path, answer.body, target);
  }
});
