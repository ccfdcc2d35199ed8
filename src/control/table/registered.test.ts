// What of an upstream's list in the registry has changed, and who of its members is probed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverState } from '../../../test/support/upstream/builders.ts';
import { READY } from '../../model.ts';
import type { Instance, Membership } from '../../registry.ts';
import { checkedServer, type Probed } from './probing.ts';
import { changedInstances } from './registered.ts';

const place = { service: 'app', host: '10.0.0.1', port: 80, weight: 1, maxFails: 1 };
const instance = (id: string): Instance => ({
  ...{ ...place, id, failTimeoutMs: 1, down: false, backup: false },
});
const [a, b, c] = [instance('a'), instance('b'), instance('c')];

function of(instances: readonly Instance[] | undefined, held: readonly string[] = []): Membership {
  const services = new Map(instances === undefined ? [] : [['app', instances]]);
  return { index: 1, services, problems: [], held };
}

test('what of a list has changed: servers in their places, newcomers and leavers, or all', () => {
  const other = instance('b');
  const list = [a, b];
  const changed = (last: Membership | undefined, next: Membership): string => {
    const change = changedInstances('app', last, next);
    if (change === 'all') return 'all';
    return [
      ...change.changed.map(({ id }) => id),
      ...change.joined.map(({ instance: { id }, place }) => `+${id}${place}`),
      ...change.left.map((id) => `-${id}`),
    ].join(' ');
  };
  assert.equal(changed(undefined, of(list)), 'all');
  assert.equal(changed(of(list), of(list)), '');
  assert.equal(changed(of(undefined), of(undefined)), '');
  assert.equal(changed(of(list), of([a, other])), 'b');
  assert.equal(changed(of(list), of([...list])), '');
  assert.equal(changed(of(list), of([a, c])), '+c1 -b', 'another server in the place');
  assert.equal(changed(of(list), of([b, a])), 'all');
  assert.equal(changed(of(list), of([a, b, c])), '+c2');
  assert.equal(changed(of([a, other]), of([c, a, b])), 'b +c0');
  assert.equal(changed(of([a, b, c]), of([a, c])), '-b');
  assert.equal(changed(of([]), of(list)), '+a0 +b1');
  assert.equal(changed(of(undefined), of([])), 'all');
  assert.equal(changed(of([]), of(undefined)), 'all');
  assert.equal(changed(of(list), of(list, ['app'])), 'all', 'held from now on');
  assert.equal(changed(of(list), of(list, ['other'])), '');
  const many = Array.from({ length: 100 }, (_, at) => instance(`m${at}`));
  assert.equal(changed(of(list), of([...many, ...list])), 'all', 'very many joined');
});

test('a member is probed unless an operator has it in maint or it has no address', () => {
  const state = serverState({ id: 'a' });
  const verdict = { upstream: 'app', server: 'a', checks: 'up', reason: '', atMs: 1 } as const;
  const probed = (part: Partial<Probed> = {}, addresses = state.addresses) =>
    checkedServer(
      {
        members: new Map([
          [
            'a',
            {
              ...{ state: { ...state, addresses }, source: 'config', registry: '', alsoIn: [] },
              ...{ admin: READY, adminGeneration: 1 },
            },
          ],
        ]),
        overrides: new Map(),
        verdicts: new Map(),
        ...part,
      },
      'a',
    );
  assert.equal(probed()?.id, 'a');
  assert.equal('initial' in (probed() ?? {}), false);
  const verdicts = new Map([['a', { ...verdict, riseCount: 1, fallCount: 0 }]]);
  assert.equal(probed({ verdicts })?.initial?.checks, 'up');
  assert.equal(probed({ members: new Map() }), undefined);
  assert.equal(probed({}, []), undefined);
  const override = (word: 'drain' | 'maint') => new Map([['a', { ...READY, state: word }]]);
  assert.equal(probed({ overrides: override('maint') }), undefined);
  assert.equal(probed({ overrides: override('drain') })?.isAwaited, false);
  const held = new Map([['a', { ...READY, state: 'drain', owner: 'release:r1' } as const]]);
  assert.equal(probed({ overrides: held })?.isAwaited, true);
  assert.equal(probed({ overrides: override('drain') })?.id, 'a');
});
