import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '../../../test/support/admin/documents.ts';
import { ALONE } from '../../../test/support/base/scopes.ts';
import type { GatewayDocument } from '../../admin.ts';
import { gatewaysView } from './gateways-view.ts';

const NOW = 1_000_000;
const VIEW = { nowMs: NOW, paint: (_: string, text: string) => text, width: 0 };
const SELF: GatewayDocument = {
  ...{ id: 'a', name: 'pid 1 on web-1', state: 'live', sinceMs: NOW - 60_000, version: '0.1.0' },
  ...{ control: '10.0.0.1:8700', generation: 7, index: 30, current: true, lagMs: 0 },
};

function rowOf(part: Partial<GatewayDocument>, unheard: readonly string[] = []): string {
  const other: GatewayDocument = { ...SELF, id: 'b', name: 'pid 2 on web-2', ...part };
  const scope = { ...ALONE, unheard };
  const text = gatewaysView({ ...status([]), gateways: [SELF, other], scope }, VIEW);
  return text.split('\n')[2] ?? '';
}

test('a row for each gateway says where it is and how far', () => {
  assert.match(rowOf({}), /^pid 2 on web-2 +live +1m +0\.1\.0 +10\.0\.0\.1:8700 +none$/);
  assert.match(rowOf({ index: 28 }), / 2 behind$/);
  assert.match(rowOf({ index: 28, lagMs: 1500 }), / 2 behind for 1.5s$/);
  const late = { current: false, lagMs: 3000 };
  assert.match(rowOf({ current: false }), / has not confirmed the last change$/);
  assert.match(rowOf(late), / has not confirmed the last change for 3s$/);
  assert.match(rowOf({ index: 0 }), / not known$/);
  assert.match(rowOf({ state: 'silent', current: false }), / silent .* not known$/);
  const away = ['pid 2 on web-2 (the registry is away)'];
  assert.match(rowOf({}, away), / live .* not known: the registry is away$/);
});

test('who is only known to be unheard is named below', () => {
  const scope = { ...ALONE, unheard: ['others that follow the Consul at 10.0.0.9:8500'] };
  const text = gatewaysView({ ...status([]), gateways: [SELF], scope }, VIEW);
  assert.match(text, /\nnot heard: others that follow the Consul at 10\.0\.0\.9:8500\n$/);
  const silent = { ...ALONE, unheard: ['pid 1 on web-1 (silent since 12:00:01Z)'] };
  assert.doesNotMatch(
    gatewaysView({ ...status([]), gateways: [SELF], scope: silent }, VIEW),
    /not heard/,
  );
});
