// The control plane is away when a release begins.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deploy, outcomes, scene } from '../../../test/support/release/builders.ts';
import { SluiceError } from '../../base/errors.ts';
import type { ReleaseEvent } from '../events.ts';

function notes(events: readonly ReleaseEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'note' ? [event.text] : []));
}

test('a control plane that is back in a moment is waited for, and that is said', async (t) => {
  const { service, control } = await scene(t);
  control.isAway = true;
  const deployed = await deploy(service, control, 'v2', {
    controlRetryMs: 20_000,
    onEvent: (event) => {
      if (event.type === 'note') control.isAway = false;
    },
  });
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
  assert.deepEqual(notes(deployed.events), [
    'asking again for up to 10s: control plane 127.0.0.1:8700: away',
  ]);
});

test('one that stays away is refused when the time is over, and the lock is asked for meanwhile', async (t) => {
  const { service, control } = await scene(t);
  let asked = 0;
  const away = async (): Promise<never> => {
    asked += 1;
    throw new SluiceError('unreachable', 'away');
  };
  control.releases = { ...NO_RECORDS, take: away };
  control.isAway = true;
  const { result, events } = await deploy(service, control, 'v2', { controlRetryMs: 600 });
  assert.deepEqual([result.exit, result.outcome], [9, 'refused']);
  assert.ok(asked > 1);
  assert.deepEqual(notes(events).slice(0, 1), ['asking again for up to 600ms: away']);
  assert.equal(notes(events).filter((text) => text.startsWith('asking again')).length, 1);
});

const NO_RECORDS = {
  renew: none,
  append: none,
  close: none,
  command: none,
  history: none,
  journal: none,
  instances: none,
  putInstance: none,
};

async function none(): Promise<never> {
  throw new SluiceError('unreachable', 'away');
}
