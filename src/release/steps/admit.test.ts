// An admit is over when every gateway has confirmed it and can use the server.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deploy, outcomes, scene } from '../../../test/support/release/builders.ts';
import type { ReleaseEvent } from '../events.ts';

test('an admit waits until every gateway has confirmed it', async (t) => {
  const { service, control } = await scene(t);
  control.onChange = (_, state) => {
    control.isSettled = state !== 'ready';
  };
  const words = await waitsOf(async (onEvent) => {
    const deployed = await deploy(service, control, 'v2', {
      onEvent: (event) => {
        onEvent(event);
        if (isWaiting(event)) control.isSettled = true;
      },
    });
    assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
  });
  assert.deepEqual(words, ['ok false', 'ok false']);
});

test('a server that is given back while the registry is away is waited for, and nobody else holds it', async (t) => {
  const { service, control } = await scene(t);
  control.isGivenBack = true;
  const words = await waitsOf(async (onEvent) => {
    const deployed = await deploy(service, control, 'v2', {
      onEvent: (event) => {
        onEvent(event);
        if (!isWaiting(event)) return;
        control.isGivenBack = false;
        for (const { id } of service.instances) {
          if (control.server(id).state.owner.startsWith('release:')) {
            void control.setAdmin('app', id, { state: 'ready', owner: '', reason: '' });
          }
        }
      },
    });
    assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
  });
  assert.equal(words[0], 'drain true');
});

test('an admit waits for a gateway that cannot use the server yet, by name', async (t) => {
  const { service, control } = await scene(t);
  control.onChange = (_, state) => {
    const out = { gateway: 'pid 7 on web-2', eligibility: 'unchecked' } as const;
    control.outElsewhere = state === 'ready' ? [out] : [];
  };
  const words = await waitsOf(async (onEvent) => {
    await deploy(service, control, 'v2', {
      onEvent: (event) => {
        onEvent(event);
        if (isWaiting(event)) control.outElsewhere = [];
      },
    });
  });
  assert.deepEqual(words, ['unchecked on pid 7 on web-2 true', 'unchecked on pid 7 on web-2 true']);
});

function isWaiting(event: ReleaseEvent): boolean {
  return event.type === 'step' && event.step === 'admit' && event.phase === 'wait';
}

async function waitsOf(
  run: (onEvent: (event: ReleaseEvent) => void) => Promise<void>,
): Promise<readonly string[]> {
  const words: string[] = [];
  await run((event) => {
    if (event.type !== 'step' || !isWaiting(event)) return;
    words.push(`${event.data['eligibility']} ${event.data['settled']}`);
  });
  return words;
}
