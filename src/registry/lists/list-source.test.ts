// Lists that are looked up one by one: each is asked for once, and what one says is nobody else's.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Told } from '../../../test/support/registry/source-contract.ts';
import { silentLog } from '../../base/log.ts';
import { type LookupEvents, listSource } from './list-source.ts';

type Lookup = { readonly service: string; readonly events: LookupEvents; isClosed: boolean };

function scene(t: TestContext, services: Readonly<Record<string, string>>) {
  const lookups: Lookup[] = [];
  let closed = 0;
  const source = listSource({
    log: silentLog,
    open: () => ({
      address: () => 'somewhere',
      look(_, service, events) {
        const lookup = { service, events, isClosed: false };
        lookups.push(lookup);
        return {
          close() {
            lookup.isClosed = true;
          },
        };
      },
      close() {
        closed += 1;
      },
    }),
  });
  closed = 0;
  const told = new Told(t, source, { services: new Map(Object.entries(services)) });
  const list = (at: number, key: string, index = 1): void =>
    lookups[at]?.events.onList({ index, entries: [{ key, value: Buffer.from('{}') }] });
  const fail = (at: number, reason: string): void => lookups[at]?.events.onTrouble(reason);
  return { source, told, lookups, list, fail, closed: () => closed };
}

test('the first word is about all lists that can be looked up', (t) => {
  const { told, list, fail, source } = scene(t, { app: 'a', web: 'w', api: 'x' });
  list(0, 'app/10.0.0.1:1');
  fail(1, 'no answer');
  assert.equal(told.isSilent, true);
  list(2, 'api/10.0.0.3:1', 7);
  assert.equal(told.shown, 'api: 10.0.0.3:1; app: 10.0.0.1:1');
  assert.equal(told.last.index, 7);
  assert.deepEqual([told.health, told.trouble], [[false], 'no answer']);
  list(1, 'web/10.0.0.2:1');
  assert.equal(told.shown, 'api: 10.0.0.3:1; app: 10.0.0.1:1; web: 10.0.0.2:1');
  assert.deepEqual([told.health, source.health().reachable], [[false, true], true]);
});

test('nothing is told while nothing can be looked up', (t) => {
  const { told, list, fail } = scene(t, { app: 'a', web: 'w' });
  fail(0, 'one');
  fail(1, 'two');
  fail(0, 'three');
  assert.deepEqual([told.isSilent, told.health], [true, [false]]);
  list(1, 'web/10.0.0.2:1');
  assert.equal(told.shown, 'web: 10.0.0.2:1');
});

test('with nobody who follows there is nothing to be in trouble', (t) => {
  const { told, source } = scene(t, {});
  assert.deepEqual([told.shown, told.last.services.size], ['', 0]);
  assert.equal(source.health().reachable, true);
});

test('an answer that is no news is not told, but ends the trouble', (t) => {
  const { told, list, fail } = scene(t, { app: 'a' });
  list(0, 'app/10.0.0.1:1');
  const { last } = told;
  list(0, 'app/10.0.0.1:1');
  fail(0, 'no answer');
  list(0, 'app/10.0.0.1:1');
  assert.equal(told.last, last);
  assert.deepEqual(told.health, [true, false, true]);
});

test('who stays is not looked up anew, who leaves is not heard any more', (t) => {
  const { told, list, fail, lookups, closed } = scene(t, { app: 'a', web: 'w' });
  list(0, 'app/10.0.0.1:1');
  list(1, 'web/10.0.0.2:1');
  told.setServices({ app: 'a', api: 'x' });
  const shown = (): string[] =>
    lookups.map(({ service, isClosed }) => `${service}${isClosed ? ' closed' : ''}`);
  assert.deepEqual(shown(), ['a', 'w closed', 'x']);
  assert.equal(told.shown, 'app: 10.0.0.1:1', 'one that is new holds up nobody');
  fail(1, 'late');
  list(1, 'web/10.0.0.9:1');
  assert.deepEqual([told.shown, told.health], ['app: 10.0.0.1:1', [true]]);
  told.setServices({ app: 'other', api: 'x' });
  assert.deepEqual(shown(), ['a closed', 'w closed', 'x', 'other']);
  assert.equal(told.shown, 'app: 10.0.0.1:1', 'until it is known under the other name');
  told.close();
  assert.deepEqual([lookups.every(({ isClosed }) => isClosed), closed()], [true, 1]);
});
