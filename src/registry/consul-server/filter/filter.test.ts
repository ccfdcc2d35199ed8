// Expressions of `?filter=` as a table. What Consul answers to the same is compared in the conformance tests.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INSTANCE_FIELDS } from './fields.ts';
import { filterOf } from './filter.ts';

const INSTANCE = {
  Node: { Node: 'n1', Meta: { rack: 'a.b' }, TaggedAddresses: null },
  Service: {
    ID: 'web-1',
    Service: 'web',
    Tags: ['v1', 'say "hi"'],
    Meta: null,
    Port: 80,
    EnableTagOverride: false,
    Weights: { Passing: 1, Warning: 1 },
  },
  Checks: [{ Status: 'passing' }, { Status: 'warning' }],
};

const CASES: readonly (readonly [string, boolean])[] = [
  ['', true],
  ['Service.Port == 80', true],
  ['Service.Port != 80', false],
  ['Service.Service == web', true],
  ['Service.Service == "web"', true],
  ['Service.Service == `web`', true],
  ['Node.Meta["rack"] == "a.b"', true],
  ['Node.Meta.rack == `a.b`', true],
  ['Node.Meta.none == x', false],
  ['Node.Meta.none != x', true],
  ['rack in Node.Meta', true],
  ['Node.Meta not contains rack', false],
  ['v1 in Service.Tags', true],
  ['"say \\"hi\\"" in Service.Tags', true],
  ['Service.Tags contains v2', false],
  ['Service.Tags not contains v2', true],
  ['v2 not in Service.Tags', true],
  ['Service.Meta is empty', true],
  ['Service.Tags is not empty', true],
  ['Service.ID matches "^web-[0-9]+$"', true],
  ['Service.ID not matches "^api"', true],
  ['Service.ID contains eb', true],
  ['Service.EnableTagOverride == false', true],
  ['Checks.Status == warning', true],
  ['Checks.Status == critical', false],
  ['Checks.Status != passing', true],
  ['Service.Port==81 or Service.Port==80 and Node.Node==n1', true],
  ['(Service.Port==81 or Service.Port==80) and Node.Node==n2', false],
  ['not Service.Port==81 and not not Node.Node==n1', true],
];

for (const [source, expected] of CASES) {
  test(`${expected ? 'keeps' : 'drops'}: ${source}`, () => {
    const filter = filterOf(source, INSTANCE_FIELDS);
    assert.ok('keeps' in filter, JSON.stringify(filter));
    assert.equal(filter.keeps(INSTANCE), expected);
  });
}

for (const source of [
  ...['Nope == 1', 'Service == web', 'Service.Port == x', 'Service.Port contains 8'],
  ...['Checks contains x', 'Service.Tags == v1', 'Service.constructor == x', 'Node.Meta == x'],
  ...[
    'Service.Port ==',
    '== 80',
    '(Service.Port == 80',
    'Service.Port == 80)',
    'Service.Port = 80',
  ],
  ...['Service.ID matches "("', 'Service.ID matches "(a+)+$"', 'Service.ID matches "a*a*a*a*b"'],
  ...[`Service.ID matches "${'a'.repeat(300)}"`, `${'('.repeat(500)}Service.Port == 80`],
  ...['Service.Address == 10.0.0.1', '"unclosed', 'Service.Port == 80 and', 'Service is'],
]) {
  test(`refuses: ${source.slice(0, 60)}`, () => {
    const filter = filterOf(source, INSTANCE_FIELDS);
    assert.ok('refused' in filter);
    assert.match(filter.refused, /^Failed to create boolean expression evaluator: /);
  });
}
