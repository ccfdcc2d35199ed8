// The contract by itself: it runs without Node, calls and replies, and what fits a shape.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { server, status, upstream } from '../../../test/support/admin/documents.ts';
import { type CallReply, readReply, requestOf } from '../contract.ts';
import { ADMIN_BODY, WEIGHT_BODY } from './requests.ts';
import { either, flag, list, number, object, text, word } from './shape.ts';

const SOURCE = join(import.meta.dirname, '../..');

/** What a file needs when it runs: type imports vanish. */
function neededBy(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const source = readFileSync(join(SOURCE, file), 'utf8');
  const statements = source.matchAll(
    /^(?:import|export)\s+(?!type\s)(?:[\w$*{}\s,]+?\sfrom\s+)?'([^']+)';|\bimport\('([^']+)'\)/gm,
  );
  for (const [, specifier, lazy] of statements) {
    const target = specifier ?? lazy ?? '';
    if (target.startsWith('.')) neededBy(join(dirname(file), target), found);
    else found.add(target);
  }
  return found;
}

test('nothing in the contract needs Node, a package or another module than base and model', () => {
  const needed = [...neededBy('admin/contract.ts')].map((file) => relative('.', file));
  const strangers = needed.filter(
    (file) =>
      !/^(admin\/contract(\.ts|\/[\w-]+\.ts)|base\/[\w-]+\.ts|model(\.ts|\/[\w-]+\.ts))$/.test(
        file,
      ),
  );
  assert.deepEqual(strangers, []);
  assert(needed.includes('base/errors.ts') && needed.includes('admin/contract/shape.ts'), 'seen');
});

test('no file of the contract uses what only Node has', () => {
  const files = [...neededBy('admin/contract.ts')];
  const wrong = files.filter((file) =>
    /\b(Buffer\.|process\.\w|setImmediate\(|require\(|import\.meta)/.test(
      readFileSync(join(SOURCE, file), 'utf8'),
    ),
  );
  assert.deepEqual(wrong, []);
});

test('a call is a method, a path with its names encoded, a query and a body', () => {
  assert.deepEqual(requestOf('status', {}), { method: 'GET', path: '/api/status' });
  assert.deepEqual(requestOf('upstream', { upstream: 'a b/c' }), {
    method: 'GET',
    path: '/api/upstreams/a%20b%2Fc',
  });
  assert.deepEqual(requestOf('awaitIdle', { upstream: 'app', server: '[::1]:80', wait: 1500 }), {
    method: 'GET',
    path: '/api/upstreams/app/servers/%5B%3A%3A1%5D%3A80/idle?wait=1500ms',
  });
  assert.deepEqual(
    requestOf('setWeight', { upstream: 'app', server: 'a:1', body: { weight: 5 } }),
    {
      method: 'POST',
      path: '/api/upstreams/app/servers/a%3A1/weight',
      body: '{"weight":5}',
    },
  );
  assert.deepEqual(requestOf('openReceipt', { upstream: 'app' }), {
    method: 'POST',
    path: '/api/upstreams/app/receipts',
    body: '{}',
  });
  assert.equal(requestOf('upstream_list', { query: 'app' }).path, '/upstream_list?app');
});

test('a name in a path cannot bring a pattern of its own', () => {
  const { path } = requestOf('setWeight', {
    upstream: ':server',
    server: '$&',
    body: { weight: 1 },
  });
  assert.equal(path, '/api/upstreams/%3Aserver/servers/%24%26/weight');
});

function reply(code: number, body: unknown): CallReply {
  const contentType = 'application/json';
  return {
    status: code,
    contentType,
    text: typeof body === 'string' ? body : JSON.stringify(body),
  };
}

test('a reply is an answer of the route, an error of ours, or of another program', () => {
  const document = status([upstream('app', [server('127.0.0.1:9001')])]);
  assert.deepEqual(readReply('status', reply(200, document)), { kind: 'answer', answer: document });
  assert.deepEqual(readReply('status', reply(200, { ...document, workers: [{}] })), {
    kind: 'unknown',
  });
  const error = { code: 'conflict', message: 'no', details: { left: 0 } };
  assert.deepEqual(readReply('status', reply(409, { error })), { kind: 'error', ...error });
  assert.deepEqual(
    readReply('status', reply(409, { error: { code: 'of_tomorrow', message: 'm' } })),
    { kind: 'error', code: 'internal', message: 'm', details: {} },
  );
  for (const body of [
    '',
    'not JSON',
    '[]',
    'null',
    { error: 'no' },
    { error: { code: 'usage' } },
  ]) {
    assert.deepEqual(readReply('status', reply(404, body)), { kind: 'unknown' });
  }
  // What says that all is well is believed about nothing else.
  assert.deepEqual(readReply('status', reply(200, { error })), { kind: 'unknown' });
  assert.deepEqual(readReply('status', reply(404, document)), { kind: 'unknown' });
});

test('details of an error are an object, or none', () => {
  for (const details of [undefined, null, 'text', 5]) {
    const error = { code: 'conflict', message: 'no', details };
    assert.deepEqual(readReply('status', reply(409, { error })), {
      kind: 'error',
      ...error,
      details: {},
    });
  }
});

test('only a status from 200 to 299 says that all is well', () => {
  const document = status([]);
  const kinds = [100, 199, 200, 299, 300, 304].map(
    (code) => readReply('status', reply(code, document)).kind,
  );
  assert.deepEqual(kinds, ['unknown', 'unknown', 'answer', 'answer', 'unknown', 'unknown']);
  // Another good status than the one that the route has.
  const receipt = readReply('setWeight', reply(201, { server: 'a:1', weight: 1 }));
  assert.equal(receipt.kind, 'answer');
});

const ASKED = { state: 'drain', owner: 'user:alice' } as const;

test('an admin request is read with what it leaves out', () => {
  assert.deepEqual(ADMIN_BODY.parse(ASKED), { ...ASKED, reason: '' });
  const whole = { ...ASKED, reason: 'why', keepEligible: 0, ifOwner: '' };
  assert.deepEqual(ADMIN_BODY.parse(whole), whole);
  const longest = { ...ASKED, owner: 'x'.repeat(200), reason: 'x'.repeat(1000) };
  assert.deepEqual(ADMIN_BODY.parse(longest), longest);
});

test('a body is refused by the key that is wrong', () => {
  const bodies: readonly (readonly [unknown, RegExp])[] = [
    ...[null, undefined, 'text', 7, true, []].map(
      (body) => [body, /^request body: must be an object with state, owner, reason/] as const,
    ),
    [{ ...ASKED, state: ['ready'] }, /"state" must/],
    [{ ...ASKED, state: 'toString' }, /"state" must/],
    [{ ...ASKED, owner: 1 }, /"owner" must/],
    [{ ...ASKED, owner: 'x'.repeat(201) }, /"owner" must/],
    [{ ...ASKED, reason: 1 }, /"reason" must/],
    [{ ...ASKED, reason: null }, /"reason" must/],
    [{ ...ASKED, reason: 'x'.repeat(1001) }, /"reason" must/],
    [{ ...ASKED, keepEligible: '1' }, /"keepEligible" must/],
    [{ ...ASKED, keepEligible: 0.5 }, /"keepEligible" must/],
    [{ ...ASKED, ifOwner: 1 }, /"ifOwner" must/],
    [{ ...ASKED, ifOwner: null }, /"ifOwner" must/],
  ];
  for (const [body, message] of bodies) {
    assert.throws(() => ADMIN_BODY.parse(body), { code: 'usage', message }, JSON.stringify(body));
  }
});

test('a weight is a whole number from 1 to 65535', () => {
  for (const weight of [1, 65_535]) assert.deepEqual(WEIGHT_BODY.parse({ weight }), { weight });
  for (const weight of [0, -1, 65_536, 1.5, '1', null, undefined]) {
    assert.throws(() => WEIGHT_BODY.parse({ weight }), { code: 'usage' });
  }
});

test('not ready is an answer with 503, and nothing else is with that', () => {
  const notReady = { status: 'not ready', reason: 'starting' };
  assert.deepEqual(readReply('ready', reply(503, notReady)), { kind: 'answer', answer: notReady });
  assert.deepEqual(readReply('ready', reply(503, { status: 'ready' })), { kind: 'unknown' });
  assert.deepEqual(readReply('ready', reply(200, { status: 'ready' })), {
    kind: 'answer',
    answer: { status: 'ready' },
  });
});

test('text comes as it is, with its content type', () => {
  const answer = readReply('metrics', { status: 200, contentType: 'text/plain', text: 'a 1\n' });
  assert.deepEqual(answer, {
    kind: 'answer',
    answer: { contentType: 'text/plain', body: 'a 1\n' },
  });
  const failed = readReply('metrics', { status: 500, contentType: 'text/plain', text: 'a 1\n' });
  assert.deepEqual(failed, { kind: 'unknown' });
});

test('a shape fits what has its fields, more are let through', () => {
  const shape = object({
    name: text,
    many: list(object({ count: number })),
    one: either(flag, number),
    state: word<'ready'>(),
  });
  const good = { name: '', many: [{ count: 1, more: 2 }], one: true, state: 'of tomorrow' };
  assert.equal(shape.fits(good), true);
  assert.equal(shape.fits({ ...good, one: 0 }), true);
  const bad: readonly unknown[] = [
    ...[null, undefined, 'x', 1, [], {}],
    { ...good, name: 1 },
    { ...good, many: {} },
    { ...good, many: [{ count: '1' }] },
    { ...good, many: [null] },
    { ...good, one: 'true' },
    { ...good, state: 1 },
  ];
  for (const value of bad) assert.equal(shape.fits(value), false, JSON.stringify(value));
  assert.equal(object({ toString: text }).fits({}), false);
  assert.deepEqual(shape.names, ['name', 'many', 'count', 'one', 'state']);
});
