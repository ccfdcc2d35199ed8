import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostProblem, pathProblem } from './route-words.ts';

const GOOD_PATHS = [
  '/',
  '/api',
  '/api/',
  '/a.b/.c/..d',
  '/~x',
  '/a%20b',
  '/%C3%A9',
  '/a%2A',
  '/v1:x',
];

/** A path, and what the problem tells to write. */
const BAD_PATHS: readonly (readonly [path: string, remedy: RegExp])[] = [
  ['/api/*', /a path is a prefix .*; write \/api,/],
  ['/api/**', /; write \/api,/],
  ['/api*', /; write \/,/],
  ['/a/api*', /; write \/a,/],
  ['/*', /; write \/,/],
  ['*', /; write \/,/],
  ['*.php', /; write \/,/],
  ['/api/.*', /; write \/api,/],
  ['^/api', /; write \/api,/],
  ['/api$', /; write \/api,/],
  ['^/api/(.*)$', /; write \/api,/],
  ['/(a|b)/c', /; write \/,/],
  ['/x/[0-9]+', /; write \/x,/],
  ['/x/\\d+', /; write \/x,/],
  ['~ ^/x', /modifier ~, .*; write \/x$/],
  ['~* \\.php$', /modifier ~\*, .*; write \/$/],
  ['= /x', /modifier =, .*; write \/x$/],
  ['=/x', /modifier =, .*; write \/x$/],
  ['^~ /x/', /modifier \^~, .*; write \/x$/],
  ['/users/:id', /has a parameter, .*; write \/users$/],
  ['/users/{id}/x', /; write \/users$/],
  ['/users/<id>', /; write \/users$/],
  ['api', /; write \/api$/],
  ['api/v1', /; write \/api\/v1$/],
  ['', /begins with \//],
  ['/a?b', /has no \?/],
  ['/a#b', /has no .* #/],
  ['http://a.example/x', /; write host: a.example and path: \/x$/],
  ['//admin', /would match nothing: .*; write \/admin$/],
  ['/./admin', /; write \/admin$/],
  ['/x/../admin/', /; write \/admin\/$/],
  ['/x/%2e%2E/%61dmin', /; write \/admin$/],
  ['/a%2fb', /; write \/a\/b$/],
  ['/caf%c3%a9', /; write \/caf%C3%A9$/],
  ['/café', /; write \/caf%C3%A9$/],
  ['/a b', /; write \/a%20b$/],
  ['/../x', /leads above the root/],
  ['/%zz', /write %25/],
  ['/100%', /write %25/],
  ['/a%00', /write %25/],
];

test('a path that is no prefix in normal form is refused with what to write', () => {
  for (const path of GOOD_PATHS) assert.equal(pathProblem(path), '', path);
  for (const [path, remedy] of BAD_PATHS) assert.match(pathProblem(path), remedy, path);
});

test('what to write is good itself', () => {
  for (const [path] of BAD_PATHS) {
    const written = /; write (\/[^ ,]*)(?:,|$)/.exec(pathProblem(path))?.[1];
    if (written !== undefined) assert.equal(pathProblem(written), '', path);
  }
});

test('a host that is no name is refused with what to write', () => {
  for (const host of ['', 'a', 'app.example', '*.app.example', '*.example', 'a_b.example']) {
    assert.equal(hostProblem(host), '', host);
  }
  for (const [host, remedy] of [
    ['*', /leave host out/],
    ['_', /leave host out/],
    ['*.*', /leave host out/],
    ['app.example:80', /write the name alone/],
    ['http://app.example', /write the host name alone/],
    ['.app.example', /write "\*\.app\.example", and app\.example/],
    ['~^www\\d', /a host is a name/],
    ['www.*', /a host is a name/],
    ['app.example.', /write app\.example$/],
    ['bücher.example', /write xn--bcher-kva\.example/],
    ['a.*.example', /is not a host name|a host is a name/],
    ['a b', /is not a host name/],
  ] as const) {
    assert.match(hostProblem(host), remedy, host);
  }
});
