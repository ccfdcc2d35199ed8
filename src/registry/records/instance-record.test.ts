// One record as upsync reads it, case by case, and where we differ.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instance } from './instance.ts';
import { readInstance } from './instance-record.ts';

const KEY = 'upstreams/app/127.0.0.1:9001';
const DEFAULTS: Instance = {
  id: '127.0.0.1:9001',
  service: 'app',
  host: '127.0.0.1',
  port: 9001,
  weight: 1,
  maxFails: 2,
  failTimeoutMs: 10_000,
  down: false,
  backup: false,
};

type Case = readonly [
  value: string,
  expected: Partial<Instance>,
  problems?: readonly RegExp[],
  unreadable?: readonly string[],
];

const CASES: readonly Case[] = [
  ['', {}],
  [' \n', {}],
  ['{}', {}],
  ['{"weight":1, "max_fails":2, "fail_timeout":10}', {}],
  [
    '{"weight":5,"max_fails":0,"fail_timeout":0,"down":1,"backup":1}',
    {
      weight: 5,
      maxFails: 0,
      failTimeoutMs: 0,
      down: true,
      backup: true,
    },
  ],
  [
    '{"weight":"7","max_fails":"3","fail_timeout":"30","down":"1","backup":"1"}',
    {
      weight: 7,
      maxFails: 3,
      failTimeoutMs: 30_000,
      down: true,
      backup: true,
    },
  ],
  ['\ufeff{"weight":2}\n', { weight: 2 }],
  [
    '{"Weight":3,"DOWN":1}',
    { weight: 3, down: true },
    [/"Weight" is taken as "weight"; did you mean "weight"/, /"DOWN" is taken as "down"/],
  ],
  ['{"max_conns":5}', { maxConns: 5 }],
  ['{"max_conns":"0"}', { maxConns: 0 }],
  ['{"max_conns":-1}', {}, [/max_conns -1 is not 0 to 1000000, not counted/]],
  ['{"max_conns":"many"}', {}, [/max_conns "many"/]],
  ['{"max_conns":1e9}', { maxConns: 1_000_000 }, [/over 1000000, taken as 1000000/]],
  ['{"weigth":5}', {}, [/^attribute "weigth" is not read; did you mean "weight"\?$/]],
  ['{"max_fail":5}', {}, [/did you mean "max_fails"/]],
  ['{"fail-timeout":5,"maxConns":1}', {}, [/"fail_timeout"\?$/, /"max_conns"\?$/]],
  ['{"maintenance":1}', {}, [/did you mean "down"/]],
  ['{"maxconn":1}', {}, [/did you mean "max_conns"/]],
  ['{"zone":"a"}', {}, [/"zone" is not read; known here: weight, max_fails, /]],
  ['{"a1":1,"b1":1,"c1":1,"d1":1,"e1":1}', {}, [/"a1"/, /"b1"/, /"c1"/, /^and 2 more/]],
  [`{"${'n'.repeat(500)}\\u001b":1}`, {}, [/^attribute "n+… is not read/]],
  ['{"__proto__":1}', {}],
  ['{"constructor":1}', {}, [/"constructor" is not read; known here/]],
  ['{"weight":1,"weight":2}', { weight: 2 }, [/"weight" stands twice, and the last counts/]],
  ['{"down":1,"Down":0}', { down: true }, [/"Down" is taken/]],
  ['{"weight":2.9}', { weight: 2 }],
  ['{"weight":null}', {}],
  ['{"meta":{"zone":"a"},"tags":[],"x-note":1,"_by":"me"}', {}],
  ['{"weight":0}', {}, [/weight 0 .*taken as 1.*"down":1/]],
  ['{"weight":-1}', {}, [/weight -1/]],
  ['{"weight":"junk"}', {}, [/weight "junk"/]],
  ['{"weight":""}', {}, [/weight ""/]],
  ['{"weight":"2.5"}', {}, [/weight/]],
  ['{"weight":true}', {}, [/weight true/]],
  ['{"weight":[5]}', {}, [/weight \[5\]/]],
  ['{"weight":1e9}', { weight: 65_535 }, [/over 65535, taken as 65535/]],
  ['{"weight":"99999999999999999999"}', { weight: 65_535 }, [/over 65535/]],
  ['{"max_fails":-1}', {}, [/max_fails -1 .*taken as 2/]],
  ['{"fail_timeout":"10s"}', {}, [/fail_timeout "10s" .*taken as 10/]],
  ['{"fail_timeout":1e9}', { failTimeoutMs: 86_400_000 }, [/fail_timeout/]],
  ['{"down":true,"backup":false}', { down: true }],
  ['{"down":0}', {}],
  ['{"down":"0"}', {}],
  ['{"down":false}', {}],
  ['{"down":2}', { down: true }, [/down 2/], ['down']],
  ['{"down":"true"}', { down: true }, [/down "true"/], ['down']],
  ['{"down":"maybe"}', { down: true }, [/down "maybe"/], ['down']],
  ['{"down":null}', { down: true }, [/down null/], ['down']],
  ['{"down":{}}', { down: true }, [/down/], ['down']],
  ['{"backup":"yes"}', {}, [/backup "yes"/], ['backup']],
  ['{"weight":0,"down":"x"}', { down: true }, [/weight/, /down/], ['down']],
  [`{"x-note":"${'x'.repeat(1100)}"}`, {}, [/upsync crashes beyond 1023/]],
];

for (const [value, expected, problems = [], unreadable = []] of CASES) {
  test(`reads ${JSON.stringify(value).slice(0, 70)}`, () => {
    const read = readInstance(KEY, Buffer.from(value), 'upstreams/');
    assert('instance' in read, JSON.stringify(read));
    assert.deepEqual(read.instance, { ...DEFAULTS, ...expected });
    assert.equal(read.problems.length, problems.length, JSON.stringify(read.problems));
    read.problems.forEach((problem, at) => {
      assert.equal(problem.key, KEY);
      assert.match(problem.message, problems[at] ?? /$^/);
    });
    assert.deepEqual(read.unreadable, unreadable);
  });
}

const UNREADABLE = [
  'not json',
  '{"weight":1',
  '{"weight":1}x',
  '[]',
  'null',
  '5',
  '"text"',
  '{"down":1,"down":0}',
  '\u0000',
];

for (const value of UNREADABLE) {
  test(`refuses the value ${JSON.stringify(value)} by name`, () => {
    const read = readInstance(KEY, Buffer.from(value), 'upstreams/');
    assert('problem' in read, JSON.stringify(read));
    assert.equal(read.problem.key, KEY);
  });
}

const KEYS: readonly (readonly [string, string | undefined])[] = [
  ['upstreams/app/127.0.0.1:80', '127.0.0.1:80'],
  ['upstreams/app/sub/folder/127.0.0.1:80', '127.0.0.1:80'],
  ['upstreams/app/[::1]:80', '[::1]:80'],
  ['upstreams/app/[2001:DB8::1]:80', '[2001:db8::1]:80'],
  ['upstreams/app/Backend.local:80', 'backend.local:80'],
  ['upstreams/app/127.0.0.1:0', undefined],
  ['upstreams/app/127.0.0.1:65536', undefined],
  ['upstreams/app/127.0.0.1', undefined],
  ['upstreams/app/127.0.0.256:80', undefined],
  ['upstreams/app/:80', undefined],
  ['upstreams/app/::1:80', undefined],
  ['upstreams/app/a b:80', undefined],
  ['upstreams/app', undefined],
  ['upstreams/127.0.0.1:80', undefined],
  ['upstreams//127.0.0.1:80', undefined],
  ['else/app/127.0.0.1:80', undefined],
];

for (const [key, id] of KEYS) {
  test(`reads the key ${key} as ${id ?? 'no server'}`, () => {
    const read = readInstance(key, Buffer.from('{}'), 'upstreams/');
    assert.equal('instance' in read ? read.instance.id : undefined, id);
    if ('instance' in read) assert.equal(read.instance.service, 'app');
  });
}
