// A person takes an instance, or gives it back, while a release is at work on it.

import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import {
  deploy,
  firstOf,
  heldBy,
  outcomes,
  pidOf,
  scene,
  versionOf,
  when,
} from '../../../test/support/release/builders.ts';
import type { ServiceConfig } from '../../config.ts';
import type { ReleaseControl } from '../../release.ts';
import { driverOf } from '../drivers.ts';
import { logFile } from '../journal/files.ts';
import { readRecord } from '../journal/instance-record.ts';

const BOB = 'user:bob';

test('a server that a person takes while it drains is left to the person', async (t) => {
  const { service, control, a, b } = await scene(t);
  const pid = await pidOf(service, a);
  const take = when(a, 'drain', 'start', () => {
    control.server(a).state = heldBy(BOB, 'maint');
  });
  const deployed = await deploy(service, control, 'v2', { ...take });
  assert.equal(deployed.result.exit, 5, 'the other one is the last one then');
  assert.deepEqual(outcomes(deployed), ['v1 out skipped', 'v1 in untouched']);
  assert.equal(
    deployed.result.instances[0]?.note,
    'left to user:bob (maint), who took it while it drained',
  );
  assert.equal(control.server(a).state.owner, BOB);
  assert.equal(await pidOf(service, a), pid);
  assert.equal(await versionOf(b), 'v1');
});

for (const state of ['maint', 'ready'] as const) {
  test(`a server that a person takes after its drain (${state}) is not stopped`, async (t) => {
    const { service, control, a } = await scene(t);
    const pid = await pidOf(service, a);
    const take = when(a, 'stop', 'start', () => {
      control.server(a).state = heldBy(BOB, state);
    });
    const deployed = await deploy(service, control, 'v2', take);
    assert.match(outcomes(deployed)[0] ?? '', /^v1 (in|out) skipped$/);
    assert.equal(await pidOf(service, a), pid);
    assert.equal(await versionOf(a), 'v1');
  });
}

test('a server that a person gives back while the registry is away is not stopped', async (t) => {
  for (const step of ['drain', 'stop'] as const) {
    const { service, control, a } = await scene(t);
    const pid = await pidOf(service, a);
    const take = when(a, step, 'start', () => {
      control.givenBack.add(a);
    });
    const deployed = await deploy(service, control, 'v2', take);
    assert.match(outcomes(deployed)[0] ?? '', /^v1 (in|out) skipped$/);
    assert.match(deployed.result.instances[0]?.note ?? '', /somebody, who put it into traffic/);
    assert.equal(await pidOf(service, a), pid);
  }
});

// One is never healthy for the gateway, which would be the end of it otherwise.
for (const step of ['start', 'check'] as const) {
  for (const state of ['maint', 'drain'] as const) {
    for (const version of ['v2', 'never-ready']) {
      const name = `${version}, which a person takes into ${state} at ${step}, is left to the person`;
      test(`${name}: nothing is killed and nothing brought back`, async (t) => {
        const { service, control, a } = await scene(t, {
          env: { VERSION: '{version}' },
          checkDeadlineMs: version === 'never-ready' ? 1500 : 10_000,
        });
        const take = when(a, step, step === 'check' ? 'start' : 'done', () => {
          control.server(a).state = heldBy(BOB, state);
        });
        if (version === 'never-ready') control.server(a).forced = 'down';
        const deployed = await deploy(service, control, version, take);
        const [first] = deployed.result.instances;
        assert.equal(first?.outcome, 'skipped');
        assert.match(
          first?.note ?? '',
          /^left to user:bob \((maint|drain)\), who took it while it/,
        );
        assert.equal(control.server(a).state.owner, BOB);
        assert.equal((await recordOf(service)).process?.launch.version, version);
        assert.equal(
          deployed.events.some((event) => event.type === 'step' && event.revert),
          false,
        );
        assert.notEqual(deployed.result.code, 'release_failed');
      });
    }
  }
}

// A stop may last for `stop_timeout`: time enough for a person to step in.
for (const [step, phase] of [
  ['stop', 'done'],
  ['start', 'start'],
] as const) {
  for (const state of ['maint', 'drain'] as const) {
    test(`nothing is started on a server that a person takes into ${state} at ${step} ${phase}`, async (t) => {
      const { service, control, a, b } = await scene(t);
      const take = when(a, step, phase, () => {
        control.server(a).state = heldBy(BOB, state);
        control.server(b).forced = 'up';
      });
      const deployed = await deploy(service, control, 'v2', { ...take, allowDowntime: true });
      assert.deepEqual(outcomes(deployed), ['- out skipped', 'v2 in released']);
      assert.equal(
        deployed.result.instances[0]?.note,
        `left to user:bob (${state}), who took it before it was started`,
      );
      assert.equal((await recordOf(service)).process, null);
    });
  }
}

test('what a person puts into traffic while it is stopped is started: it has to serve', async (t) => {
  const { service, control, a } = await scene(t);
  const give = when(a, 'stop', 'done', () => {
    control.server(a).state = heldBy(BOB, 'ready');
  });
  const deployed = await deploy(service, control, 'v2', give);
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
});

// What runs there then; a version that is taken at its admit has been checked.
for (const [step, phase, runs, outcome] of [
  ['stop', 'start', 'bad', 'skipped'],
  ['stop', 'done', '', 'skipped'],
  ['start', 'start', '', 'skipped'],
  ['start', 'done', 'v1', 'skipped'],
  ['check', 'start', 'v1', 'skipped'],
  ['check', 'done', 'v1', 'reverted'],
  ['admit', 'start', 'v1', 'reverted'],
] as const) {
  test(`a way back on which a person takes the server at ${step} ${phase} ends there`, async (t) => {
    const { service, control, a } = await scene(t);
    // It lives, and answers as another version: what a revert has to stop.
    const env = { VERSION: '{version}', ANSWER_VERSION: 'another' };
    const onEvent: NonNullable<Parameters<typeof deploy>[3]>['onEvent'] = (event) => {
      const isIt = event.type === 'step' && event.revert && event.step === step;
      if (isIt && event.phase === phase) control.server(a).state = heldBy(BOB, 'maint');
    };
    const deployed = await deploy({ ...service, env }, control, 'bad', { onEvent });
    assert.equal(deployed.result.exit, 1);
    assert.equal(deployed.result.instances[0]?.outcome, outcome);
    assert.match(deployed.result.instances[0]?.note ?? '', /user:bob/);
    assert.equal(control.server(a).state.owner, BOB);
    const { process } = await recordOf(service);
    assert.equal(process?.launch.version ?? '', runs);
    if (process === null) return;
    assert.equal((await driverOf(service, firstOf(service)).state(process.handle)).ended, '');
  });
}

test('a failed instance that a person has by now is theirs, not parked', async (t) => {
  const { service, control, a } = await scene(t, { onFailure: 'park' });
  const file = logFile(service, a);
  // The log cannot be opened, so that the start fails after the claim was looked for.
  const setUp = when(a, 'stop', 'done', () => {
    rmSync(file);
    mkdirSync(file);
  });
  const onEvent: NonNullable<Parameters<typeof deploy>[3]>['onEvent'] = (event) => {
    setUp.onEvent(event);
    const isIt = event.type === 'step' && event.step === 'start' && event.phase === 'failed';
    if (isIt) control.server(a).state = heldBy(BOB, 'maint');
  };
  const deployed = await deploy(service, control, 'v2', { onEvent });
  assert.deepEqual(outcomes(deployed), ['- out skipped', 'v1 in untouched']);
  assert.equal(
    deployed.result.instances[0]?.note,
    'left to user:bob (maint), who took it before it was parked',
  );
});

test('a process that a person ends in maint is not held against the version', async (t) => {
  const { service, control, a } = await scene(t);
  const take = when(a, 'check', 'start', () => {
    control.server(a).state = heldBy(BOB, 'maint');
    void pidOf(service, a).then((pid) => process.kill(pid ?? 0, 'SIGKILL'));
  });
  const deployed = await deploy(service, control, 'v2', take);
  assert.equal(deployed.result.instances[0]?.outcome, 'skipped');
  assert.equal(
    deployed.events.some((event) => event.type === 'step' && event.revert),
    false,
  );
});

test('a server that a person puts into traffic is judged, and admitted when it is well', async (t) => {
  const { service, control, a } = await scene(t);
  const give = when(a, 'start', 'done', () => {
    control.server(a).state = heldBy(BOB, 'ready');
  });
  const deployed = await deploy(service, control, 'v2', give);
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
});

test('one that a person put into traffic and that fails ends the release, and is not touched', async (t) => {
  const { service, control, a } = await scene(t);
  const give = when(a, 'start', 'done', () => {
    control.server(a).state = heldBy(BOB, 'ready');
  });
  const liar = { ...service, env: { ...service.env, ANSWER_VERSION: 'v1' } };
  const deployed = await deploy(liar, control, 'v2', give);
  assert.equal(deployed.result.exit, 1);
  assert.match(deployed.result.reason, /answers v1, not v2/);
  assert.deepEqual(outcomes(deployed), ['v1 in failed', 'v1 in untouched']);
  assert.match(
    deployed.result.instances[0]?.note ?? '',
    /^left to somebody, who put it into traffic/,
  );
  const { process } = await recordOf(service);
  assert(
    process !== null &&
      (await driverOf(service, firstOf(service)).state(process.handle)).ended === '' &&
      process.launch.version === 'v2',
  );
});

test('an old version that a person takes while it is brought back is left to the person', async (t) => {
  const { service, control, a } = await scene(t);
  const onEvent: NonNullable<Parameters<typeof deploy>[3]>['onEvent'] = (event) => {
    const isIt = event.type === 'step' && event.step === 'start' && event.revert;
    if (isIt && event.phase === 'done') control.server(a).state = heldBy(BOB, 'maint');
  };
  const deployed = await deploy(service, control, 'broken', { onEvent });
  assert.equal(deployed.result.exit, 1);
  assert.deepEqual(outcomes(deployed), ['v1 out skipped', 'v1 in untouched']);
  assert.equal(control.server(a).state.owner, BOB);
  assert.equal((await recordOf(service)).process?.launch.version, 'v1');
});

test("the registry's down does not condemn the version, which is checked and not admitted", async (t) => {
  const { service, control, a } = await scene(t, { checkDeadlineMs: 10_000 });
  const take = when(a, 'check', 'start', () => {
    control.server(a).state = heldBy('kv', 'maint');
  });
  // As the daemon does: the registry's word lies over the operator's, and stays.
  const setAdmin: ReleaseControl['setAdmin'] = async (upstream, id, change) => {
    const isDown = id === a && control.server(a).state.owner === 'kv';
    if (!isDown) return control.setAdmin(upstream, id, change);
    return control.awaitIdle(upstream, id, 0);
  };
  const over = new Proxy(control, {
    get: (target, name) => {
      if (name === 'setAdmin') return setAdmin;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const deployed = await deploy(service, over, 'v2', take);
  assert.equal(outcomes(deployed)[0], 'v2 out released');
  assert.equal(deployed.result.instances[0]?.note, 'healthy, but left in maint by kv');
});

/** Of the first instance. */
function recordOf(service: ServiceConfig): ReturnType<typeof readRecord> {
  const first = firstOf(service);
  return readRecord(service, first.id, driverOf(service, first));
}
