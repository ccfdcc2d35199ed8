// Old rules in today's words, as Consul prints them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { translateRules } from './translate.ts';

test('names become prefixes, and lines are indented anew', () => {
  for (const [text, expected] of [
    ['key "a" { policy = "read" }', 'key_prefix "a" { policy = "read" }'],
    ['\n  agent "" {\n      policy = "write"\n  }\n ', 'agent_prefix "" {\n  policy = "write"\n}'],
    [
      'operator = "read" key "a\\"b" { policy = "deny" }',
      'operator = "read"\n\nkey_prefix "a\\"b" {\n  policy = "deny"\n}',
    ],
    ['{"key":{"key":{"policy":"read"}}}', 'key_prefix { key { policy = "read" } }'],
    ['', ''],
  ] as const) {
    assert.equal(translateRules(text), expected);
  }
});

test('keeps the comments in front of the first rule', () => {
  const rules = '# for gateways\n// and others\nkey "a" {\n  policy = "read"\n}\n';
  const translated = '# for gateways\n// and others\nkey_prefix "a" {\n  policy = "read"\n}';
  assert.equal(translateRules(rules), translated);
});
