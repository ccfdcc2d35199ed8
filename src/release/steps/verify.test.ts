// Verify: what real requests say of a version, once it is in traffic.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  counted,
  deploy,
  type FakeControl,
  heldBy,
  journalOf,
  killGroup,
  outcomes,
  pidOf,
  scene,
  when,
} from '../../../test/support/release/builders.ts';
import type { VerifyConfig } from '../../config.ts';
import { Interrupts } from '../../release.ts';
import type { ReleaseEvent } from '../events.ts';

const VERIFY: VerifyConfig = {
  windowMs: 400,
  minRequests: 20,
  minErrors: 3,
  errorShareMax: 0.01,
  vsPeers: 3,
  onTooFew: 'pass',
};

/** Requests go to each server that is in traffic, at each reading; `bad` of ten answers are 5xx. */
function traffic(control: FakeControl, bad: (id: string) => number): void {
  const counts = new Map<string, readonly [number, number]>();
  control.counts = () => {
    for (const [id, { state }] of control.servers) {
      const [answered, errors] = counts.get(id) ?? [0, 0];
      if (state.state === 'ready') counts.set(id, [answered + 10, errors + bad(id)]);
    }
    return [...counts].map(([id, [answered, errors]]) => counted(id, answered, errors));
  };
}

/** `done`, `failed`, … of each verify, with what was said. */
function said(events: readonly ReleaseEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === 'step' && event.step === 'verify' && event.phase !== 'wait'
      ? [`${event.instance} ${event.phase} ${JSON.stringify(event.data)}`]
      : [],
  );
}

test('a version that answers with errors fails at its first instance, is drained and taken back', async (t) => {
  const { service, control, a, b } = await scene(t, { verify: VERIFY });
  let isNew = false;
  control.onChange = (id, state) => {
    if (id === a && state === 'ready') isNew = true;
  };
  traffic(control, (id) => (id === a && isNew ? 10 : 0));
  const deployed = await deploy(service, control, 'v2');
  const { result, events } = deployed;
  assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in untouched']);
  assert.equal(result.exit, 1);
  assert.match(
    result.reason,
    /^verify failed: (\d+) of \1 requests \(100%\) got a 5xx or no answer, over the limit of 1%; the old version: 0% \(0 of \d+\)( before)?$/,
  );
  assert.deepEqual(control.calls, [`${a} drain`, `${a} ready`, `${a} drain`, `${a} ready`]);
  assert.equal(control.eligibleMin, 1);
  assert.match(said(events)[1] ?? '', new RegExp(`^${a} failed `));
  const journal = await journalOf(service, result.release);
  const back = ['verify', 'guard', 'drain', 'stop', 'start', 'check', 'admit'];
  assert.deepEqual(
    journal.filter((line) => line.startsWith('intent')).slice(6),
    back.map((step) => `intent ${step}`),
  );
  assert.equal(control.server(b).state.state, 'ready');
});

test('two broken instances do not make each other look normal, and one that was moved is no peer', async (t) => {
  const { service, control, a, b } = await scene(t, { verify: VERIFY });
  let isBroken = false;
  traffic(control, () => (isBroken ? 10 : 0));
  // The first one passes; from then on both are broken.
  const later = when(b, 'admit', 'done', () => {
    isBroken = true;
  });
  const deployed = await deploy(service, control, 'v2', later);
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v1 in reverted']);
  assert.match(deployed.result.reason, /; the old version: 0% \(0 of \d+\) before$/);
  const [first = '', passed = '', second = ''] = said(deployed.events);
  assert.match(first, new RegExp(`^${a} start .*"peers":1`));
  assert.match(passed, /done .*"share":"0%","limit":"1%".*"errors":0,"peers":"0% \(0 of \d+\)/);
  assert.match(second, new RegExp(`^${b} start .*"peers":0`));
});

for (const isBad of [true, false]) {
  test(`a release that ended in its verify is verified again when it is resumed: ${isBad}`, async (t) => {
    const { service, control, a } = await scene(t, { verify: VERIFY });
    const interrupts = new Interrupts();
    const die = when(a, 'verify', 'start', () => {
      interrupts.raise('SIGINT');
      interrupts.raise('SIGINT');
    });
    control.counts = () => [];
    const long = { ...service, verify: { ...VERIFY, windowMs: 60_000 } };
    await deploy(long, control, 'v2', { ...die, interrupts });
    traffic(control, (id) => (id === a && isBad ? 10 : 0));
    const resumed = await deploy(service, control, 'v2', { resume: 'r2' });
    const verified = said(resumed.events);
    assert.match(verified[0] ?? '', new RegExp(`^${a} start .*"peers":1`));
    assert.match(verified[1] ?? '', new RegExp(`^${a} ${isBad ? 'failed' : 'done'} `));
    assert.deepEqual(
      outcomes(resumed),
      isBad ? ['v1 in reverted', 'v1 in untouched'] : ['v2 in released', 'v2 in released'],
    );
  });
}

test('a version that is as bad as the old one is released', async (t) => {
  const { service, control } = await scene(t, { verify: VERIFY });
  traffic(control, () => 2);
  const deployed = await deploy(service, control, 'v2');
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
  assert.match(said(deployed.events)[1] ?? '', /"share":"20%","limit":"60%"/);
});

for (const onTooFew of ['pass', 'fail'] as const) {
  test(`with too few requests it does what on_too_few says: ${onTooFew}`, async (t) => {
    const verify = { ...VERIFY, windowMs: 50, onTooFew };
    const { service, control, a } = await scene(t);
    control.counts = () => [counted(a, 0, 0)];
    const deployed = await deploy({ ...service, verify }, control, 'v2');
    const isGood = onTooFew === 'pass';
    assert.equal(deployed.result.exit, isGood ? 0 : 1);
    const why = 'fewer than 20 requests';
    if (isGood) assert.match(said(deployed.events)[1] ?? '', new RegExp(`"not_judged":"${why}"`));
    else {
      const text = `verify failed: not judged, ${why} (verify.on_too_few: fail)`;
      assert.equal(deployed.result.reason, text);
      assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in untouched']);
    }
  });
}

test('one that may not be taken out stays in traffic, and that is said', async (t) => {
  const { service, control, a, b } = await scene(t, { verify: VERIFY });
  traffic(control, (id) => (id === a ? 10 : 0));
  const gone = when(a, 'admit', 'done', () => {
    control.server(b).forced = 'down';
  });
  const deployed = await deploy(service, control, 'v2', gone);
  assert.match(
    deployed.result.reason,
    /^verify failed: .*; left in traffic: server .* \(waited 0.*\)$/,
  );
  assert.equal(deployed.result.instances[0]?.outcome, 'failed');
  assert.equal(outcomes(deployed)[0], 'v2 in failed');
  assert.equal(deployed.result.exit, 1);
});

test('a person who takes it meanwhile has it, and the release goes on', async (t) => {
  const { service, control, a } = await scene(t, { verify: VERIFY });
  traffic(control, () => 0);
  const take = when(a, 'verify', 'start', () => {
    control.server(a).state = heldBy('user:bob', 'maint');
  });
  const deployed = await deploy(service, control, 'v2', take);
  assert.deepEqual(
    outcomes(deployed),
    ['v2 out released', 'v1 in untouched'].slice(0, 1).concat(outcomes(deployed)[1] ?? ''),
  );
  assert.match(
    deployed.result.instances[0]?.note ?? '',
    /left to user:bob .* while it was verified$/,
  );
});

test('a process that dies while it is verified is a failure at once', async (t) => {
  const verify = { ...VERIFY, windowMs: 60_000 };
  const { service, control, a } = await scene(t);
  traffic(control, () => 0);
  const kill = when(a, 'verify', 'start', () => {
    void pidOf(service, a).then((pid) => pid !== undefined && killGroup(pid));
  });
  const deployed = await deploy({ ...service, verify }, control, 'v2', kill);
  assert.match(deployed.result.reason, /^process was ended by SIGKILL.* while it was verified$/);
  assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in untouched']);
});

test('a gateway that has forgotten its counts is asked to count anew', async (t) => {
  const { service, control, a } = await scene(t, { verify: VERIFY });
  traffic(control, (id) => (id === a && control.opened > 2 ? 10 : 0));
  const forget = when(a, 'verify', 'start', () => {
    control.hasForgotten = true;
  });
  const deployed = await deploy(service, control, 'v2', forget);
  assert.match(deployed.result.reason, /^verify failed: /);
  assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in untouched']);
});

test('an interrupt ends the window: it is judged by what there is', async (t) => {
  const verify = { ...VERIFY, windowMs: 60_000 };
  const { service, control, a } = await scene(t);
  traffic(control, () => 0);
  const interrupts = new Interrupts();
  const stop = when(a, 'verify', 'start', () => interrupts.raise('SIGINT'));
  const options = { ...stop, interrupts };
  const deployed = await deploy({ ...service, verify }, control, 'v2', options);
  assert.equal(deployed.result.exit, 130);
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v1 in untouched']);
});

test('without verify a released version that answers with errors is doubted in the result', async (t) => {
  const { service, control, a } = await scene(t);
  let isNew = false;
  control.onChange = (id, state) => {
    if (id === a && state === 'ready') isNew = true;
  };
  traffic(control, (id) => (id === a && isNew ? 10 : 0));
  const { result } = await deploy(service, control, 'v2');
  assert.equal(result.outcome, 'succeeded');
  const [first] = result.instances;
  assert(first?.answers !== undefined && first.answers !== null);
  assert.deepEqual(
    [first.answers.errors, first.answers.requests > 9],
    [first.answers.requests, true],
  );
  assert.equal(result.doubts.length, 1);
  assert.match(
    result.doubts[0] ?? '',
    new RegExp(`^${a} on v2: 100% \\((\\d+) of \\1\\) of its requests got a 5xx or no answer`),
  );
  assert.match(result.next[0] ?? '', /or go back: sluice deploy app --version v1$/);
  assert.match(result.next[1] ?? '', /"verify" in services\.app/);
});
