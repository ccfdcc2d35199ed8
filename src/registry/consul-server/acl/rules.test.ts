// Rules as text, and what a set of them allows.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Access, Resource } from '../rights.ts';
import { HclError } from './hcl.ts';
import { parseRules, RuleSet } from './rules.ts';

const FORMS: readonly string[] = [
  'key_prefix "a/" { policy = "read" } key "a/b" { policy = "write" } operator = "read"',
  '# c\nkey_prefix "a/" {\n  policy = "read"\n}\n// d\nkey "a/b" { policy = "write", }\noperator = "read"',
  'key_prefix = { "a/" = { policy = "read" } } /* e\n f */ key { "a/b" { policy = "write" } } operator="read"',
  '{"key_prefix":{"a/":{"policy":"read"}},"key":{"a/b":{"policy":"write"}},"operator":"read"}',
  '{"key_prefix":[{"a/":[{"policy":"read"}]}],"key":[{"a/b":{"policy":"write"}}],"operator":"read"}',
];

for (const text of FORMS) {
  test(`rules are read from ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseRules(text), [
      { resource: 'key', name: 'a/', prefix: true, granted: 'read' },
      { resource: 'key', name: 'a/b', prefix: false, granted: 'write' },
      { resource: 'operator', name: '', prefix: true, granted: 'read' },
    ]);
  });
}

test('names hold whatever a key may', () => {
  const [rule] = parseRules(String.raw`key "a \"b\" ä {\n}" { policy = "deny" }`);
  assert.equal(rule?.name, 'a "b" ä {\n}');
});

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ['nope', /At 1:5: key 'nope' expected start of object/],
  ['key "a" {', /At 1:10: a name expected, not the end/],
  ['key "a" }', /At 1:9: key 'key a' expected/],
  ['key "a" = "read"', /a block expected after a name with a label/],
  ['\n  key "a" { policy = }', /At 2:22: a value expected, not "}"/],
  ['key "a { policy = "read" }', /At 1:/],
  ['{', /Failed to parse ACL rules/],
  ['{"key":1}', /object expected/],
  ['key_prefx "a" { policy = "deny" }', /unknown rule "key_prefx"/],
  ['operator_prefix "a" { policy = "read" }', /unknown rule "operator_prefix"/],
  ['operator "a" { policy = "read" }', /Invalid operator policy: ""/],
  ['key = "read"', /Invalid key policy/],
  ['{'.repeat(99_999), /Failed to parse ACL rules/],
  [`key ${'{ a '.repeat(50)}`, /nested too deep/],
];

for (const [text, reason] of REFUSED) {
  test(`rules are refused: ${JSON.stringify(text.slice(0, 60))}`, () => {
    assert.throws(
      () => parseRules(text),
      (error) => error instanceof HclError && reason.test(error.message),
    );
  });
}

test('the exact name counts, then the longest prefix, and nothing is allowed by itself', () => {
  const rules = new RuleSet(
    parseRules(`
      key_prefix "" { policy = "read" }
      key_prefix "a/" { policy = "write" }
      key_prefix "a/secret/" { policy = "deny" }
      key "a/secret/open" { policy = "read" }
      key_prefix "l/" { policy = "list" }
      service "web" { policy = "write" }
      node_prefix "n" { policy = "read" }`),
  );
  const table: readonly (readonly [Resource, Access, string, boolean])[] = [
    ['key', 'read', 'x', true],
    ['key', 'list', 'x', false],
    ['key', 'write', 'x', false],
    ['key', 'write', 'a/x', true],
    ['key', 'list', 'a/x', true],
    ['key', 'read', 'a/secret/x', false],
    ['key', 'read', 'a/secret/open', true],
    ['key', 'write', 'a/secret/open', false],
    ['key', 'list', 'l/x', true],
    ['key', 'write', 'l/x', false],
    ['service', 'write', 'web', true],
    ['service', 'read', 'web2', false],
    ['node', 'read', 'n1', true],
    ['node', 'read', 'm', false],
    ['session', 'read', 'n1', false],
    ['operator', 'read', '', false],
  ];
  for (const [resource, access, name, expected] of table) {
    assert.equal(rules.allows(resource, access, name), expected, `${resource} ${access} ${name}`);
  }
  assert.equal(rules.allowsAll('key', 'write', 'a/b/'), true);
  assert.equal(rules.allowsAll('key', 'write', 'a/'), false, 'a/secret/ is below it');
  assert.equal(rules.allowsAll('key', 'write', ''), false);
});

test('deny beats write, write beats list, list beats read, in any order', () => {
  for (const [first, second, winner] of [
    ['deny', 'write', 'deny'],
    ['write', 'read', 'write'],
    ['list', 'read', 'list'],
  ] as const) {
    for (const order of [
      [first, second],
      [second, first],
    ]) {
      const rules = new RuleSet(
        order.flatMap((policy) => parseRules(`key "a" { policy = "${policy}" }`)),
      );
      assert.equal(rules.allows('key', 'write', 'a'), winner === 'write');
      assert.equal(rules.allows('key', 'list', 'a'), winner !== 'deny');
    }
  }
});

test('where all is allowed by default, rules still deny, and tokens stay with the managers', () => {
  const rules = new RuleSet(
    parseRules('key_prefix "a/" { policy = "deny" } key "b/x" { policy = "read" }'),
    true,
  );
  assert.equal(rules.allows('key', 'write', 'c'), true);
  assert.equal(rules.allows('key', 'read', 'a/x'), false);
  assert.equal(rules.allows('key', 'write', 'b/x'), false);
  assert.equal(rules.allows('service', 'write', 'web'), true);
  assert.equal(rules.allows('acl', 'read', ''), false);
  assert.equal(rules.allowsAll('key', 'write', 'c'), true);
  assert.equal(rules.allowsAll('key', 'write', 'b'), false);
  assert.equal(rules.allowsAll('key', 'write', ''), false);
});
