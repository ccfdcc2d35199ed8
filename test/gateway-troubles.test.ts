// Three gateways under load while gateways, workers, the network, the registry's agent and its records fail at
// moments of a fixed seed: what clients saw is on the receipt, and what was said to be idle got nothing. The
// long form is bench/gateway-troubles.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rumble } from './support/gateways/rumble.ts';
import { TROUBLES } from './support/gateways/troubles.ts';
import { needPeer } from './support/peers/programs.ts';

for (const registry of ['embedded', 'consul'] as const) {
  test(`${registry}: drains and receipts are true while everything fails`, async (t) => {
    if (registry === 'consul' && needPeer(t, 'consul') === undefined) return;
    const said: string[] = [];
    const { lines, found } = await rumble({
      ...{ registry, seed: 5, seconds: 25, gateways: 3, rate: 30, isReleased: false },
      troubles: Object.keys(TROUBLES),
      lastingMs: [200, 2500],
      say: (line) => said.push(line),
    });
    assert.deepEqual(found, [], [...found, ...said, ...lines].join('\n'));
  });
}
