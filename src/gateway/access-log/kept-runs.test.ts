// What is kept of clients and servers never gets into another one's line, and it is bounded.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seededRandom } from '../../../test/support/base/random.ts';
import { accessLine, type LinePatch, Taken } from '../../../test/support/gateway/access-line.ts';
import { parseLogFormat } from '../../model.ts';
import type { AccessLine } from '../access-log.ts';
import { jsonWriter } from './json-line.ts';
import { RUN_LENGTH_MAX, SERVERS_MAX, ServerRuns } from './kept-runs.ts';
import { templateWriter } from './line-format.ts';
import type { Write } from './line-parts.ts';

const TEMPLATES = [
  'combined',
  '$upstream $upstream_addr $result "$reason" $scheme $host $listener $request_method',
  'escape=json {"a":"$http_user_agent","h":"$http_host","s":"$upstream_addr","p":"$server_protocol"}',
];

function makers(): Write[] {
  const templates = TEMPLATES.map((text) => {
    const format = parseLogFormat(text);
    assert(!('problem' in format));
    return templateWriter(format);
  });
  return [jsonWriter(), ...templates];
}

function lineOf(write: Write, line: AccessLine): string {
  return new Taken().write(write, line);
}

test('whatever is kept, a line is the one that is made with nothing kept', () => {
  const random = seededRandom(11);
  const pick = <T>(list: readonly T[]): T => {
    const item = list[Math.floor(random() * list.length)];
    assert(item !== undefined);
    return item;
  };
  const keepers = Array.from({ length: 4 }, (): AccessLine['keeper'] => ({ logged: undefined }));
  const writes = makers();
  for (let count = 0; count < 20_000; count += 1) {
    const servers = pick([['a:1'], ['a:1'], ['b:2'], ['é"'], ['a:1', 'b:2'], []]);
    // Mostly as the one before it, so that something is kept and used.
    const patch: LinePatch = {
      ...{ client: pick(['10.0.0.1', '10.0.0.1', '10.0.0.1', '10.0.0.2']), servers },
      onlyServer: servers.length === 1 ? (servers[0] ?? '') : '',
      listener: pick(['0.0.0.0:80', '0.0.0.0:80', '[::]:443']),
      scheme: pick(['http', 'http', 'http', 'https']),
      upstream: pick(['app', 'app', 'app', 'other']),
      result: pick(['answered', 'answered', 'cut']),
      reason: pick(['', '', '', 'why', 'why "not"']),
      ...pick([
        { idNumber: 0, idPrefix: 'p', id: 'own' },
        { idNumber: 77, idPrefix: 'prefix' },
      ]),
      request: {
        method: pick(['GET', 'GET', 'GET', 'POST']),
        host: pick(['shop.example.com', 'shop.example.com', 'img.example.com', '"', '']),
        authority: pick(['shop.example.com', 'shop.example.com:8080']),
        protocol: pick(['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0']),
        fields: pick(['User-Agent: browser\r\n', 'User-Agent: browser\r\n', 'A: "\r\n', '']),
      },
    };
    // For some time nothing changes.
    const keeper = pick(keepers);
    const write = pick(writes);
    const place = writes.indexOf(write);
    for (let again = 0; again < 3; again += 1) {
      const kept = lineOf(write, accessLine({ ...patch, keeper }));
      const fresh = makers()[place];
      assert(fresh !== undefined);
      const expected = lineOf(fresh, accessLine(patch));
      assert.equal(kept, expected);
      if (random() < 0.5) break;
    }
  }
});

test('nothing is kept of a first request, and of the next ones the same text', () => {
  const [write] = makers();
  assert(write !== undefined);
  const line = accessLine();
  const texts = [1, 2, 3].map(() => {
    lineOf(write, line);
    return line.keeper.logged?.runs.map(({ text }) => text);
  });
  const [, second] = texts;
  assert.deepEqual(texts[0], []);
  assert.match(second?.[0] ?? '', /"client":"10\.0\.0\.1".*"host":"app\.example"/);
  assert.deepEqual(texts[2], second);
});

test('a run that a client makes long is not kept', () => {
  const [write] = makers();
  assert(write !== undefined);
  for (const [length, isKept] of [
    [RUN_LENGTH_MAX - 200, true],
    [RUN_LENGTH_MAX, false],
  ] as const) {
    const line = accessLine({ request: { host: 'h'.repeat(length) } });
    const lines: readonly string[] = [1, 2, 3].map(() => lineOf(write, line));
    assert.equal(line.keeper.logged?.runs[0]?.text !== '', isKept, `${length}`);
    assert.equal(new Set(lines).size, 1);
  }
});

test('a connection of many clients has its run made anew only so often', () => {
  const [write] = makers();
  assert(write !== undefined);
  const { keeper } = accessLine();
  const seen = new Set<string | undefined>();
  for (let count = 0; count < 200; count += 1) {
    lineOf(write, accessLine({ keeper, client: `10.0.0.${count}` }));
    seen.add(keeper.logged?.runs[0]?.text);
  }
  // undefined, and two that were paid for beforehand.
  assert.equal(seen.size, 3);
  // It is of use again: what it earns is enough for another one.
  for (let count = 0; count < 20; count += 1) {
    lineOf(write, accessLine({ keeper, client: '10.0.0.2' }));
  }
  lineOf(write, accessLine({ keeper, client: '10.9.9.9' }));
  assert.match(keeper.logged?.runs[0]?.text ?? '', /"10\.9\.9\.9"/);
});

test('of a server the run is made once, and with too many servers all begin anew', () => {
  let made = 0;
  const write: Write = ({ onlyServer }, into) => {
    made += 1;
    into.text(onlyServer);
  };
  const runs = new ServerRuns({ write, reads: [] });
  const ask = (place: number): void => {
    assert.equal(lineOf(runs.write, accessLine({ onlyServer: `s${place}` })), `s${place}\n`);
  };
  for (let place = 0; place < SERVERS_MAX; place += 1) ask(place);
  for (let place = 0; place < SERVERS_MAX; place += 1) ask(place);
  assert.equal(made, SERVERS_MAX);
  ask(SERVERS_MAX);
  assert.equal(made, SERVERS_MAX + 1);
  ask(SERVERS_MAX);
  assert.equal(made, SERVERS_MAX + 1);
  ask(0);
  assert.equal(made, SERVERS_MAX + 2);
});

test('what is kept of a request does not keep its head', () => {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  assert(typeof gc === 'function');
  const [write] = makers();
  assert(write !== undefined);
  gc();
  const before = process.memoryUsage().heapUsed;
  const keepers = Array.from({ length: 100 }, (_, place) => {
    const head = `shop-${place}.example.com ${Buffer.alloc(200_000, 'x').toString('latin1')}`;
    const host = head.slice(0, 18);
    const line = accessLine({ request: { host } });
    for (let count = 0; count < 3; count += 1) lineOf(write, line);
    return line.keeper;
  });
  gc();
  assert(process.memoryUsage().heapUsed - before < 10_000_000);
  assert.equal(keepers.filter(({ logged }) => logged?.runs[0]?.text !== '').length, 100);
});
