// Which events are shown, and in which words.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventDocument } from '../../../src/admin/contract.ts';
import { deedOf, objectOf, reasonOf, shownEvents } from './list.ts';

const FACTS = { state: 'ready', owner: '', reason: '', weight: 1 };

function event(changes: Partial<EventDocument>): EventDocument {
  return {
    ...{ time: '2026-11-27T18:48:44.178Z', token: 'ops', owner: 'user:ann', from: '127.0.0.1' },
    ...{ action: 'setAdmin', upstream: 'app', server: 'a:1', asked: {}, before: FACTS },
    ...{ after: FACTS, result: 'ok', message: '', ...changes },
  };
}

test('an event is told in the words of the command line', () => {
  assert.equal(deedOf(event({ asked: { state: 'drain' } })), 'drain');
  assert.equal(deedOf(event({ asked: { state: 'ready' } })), 'undrain');
  assert.equal(deedOf(event({ action: 'setWeight', asked: { weight: 5 } })), 'weight 5');
  assert.equal(deedOf(event({ action: 'commandRelease', asked: { command: 'abort' } })), 'abort');
  assert.equal(deedOf(event({ action: 'ofTomorrow' })), 'ofTomorrow');
  assert.equal(deedOf(event({ asked: { state: 7 } })), 'setAdmin');
});

test('what it was done to, and why', () => {
  assert.equal(objectOf(event({})), 'app a:1');
  assert.equal(objectOf(event({ server: '' })), 'app');
  assert.equal(objectOf(event({ server: '', upstream: '', asked: { key: 'a/b' } })), 'a/b');
  assert.equal(objectOf(event({ server: '', upstream: '' })), '');
  assert.equal(reasonOf(event({ asked: { reason: 'disk' } })), 'disk');
  assert.equal(reasonOf(event({ asked: { why: 'late' } })), 'late');
  assert.equal(reasonOf(event({ after: { ...FACTS, reason: 'kept' } })), 'kept');
});

test('the newest come first, by number and not by letter', () => {
  const events = { 2: event({}), 10: event({}), 9: event({}) };
  const shown = shownEvents(events, { text: '', upstream: '', onlyBad: false });
  assert.deepEqual(
    shown.map(([place]) => place),
    ['10', '9', '2'],
  );
});

test('all words of the filter must be in it, in any case', () => {
  const events = {
    1: event({ asked: { state: 'drain', reason: 'Disk full' } }),
    2: event({ upstream: 'web', result: 'forbidden', message: 'role' }),
  };
  const found = (text: string, upstream = '', onlyBad = false): readonly string[] =>
    shownEvents(events, { text, upstream, onlyBad }).map(([place]) => place);
  assert.deepEqual(found('disk DRAIN'), ['1']);
  assert.deepEqual(found('disk web'), []);
  assert.deepEqual(found('', 'web'), ['2']);
  assert.deepEqual(found('', '', true), ['2']);
  assert.deepEqual(found(''), ['2', '1']);
});
