// What happens to a model: a schedule drawn from its seed, then all is put right, and one more deploy must bring
// every instance to its version, into the pool, and held by nobody.

import { isSluiceError } from '../../../../src/base/errors.ts';
import { KINDS } from './host.ts';
import type { Model, ModelRunner } from './model.ts';

const LASTS_MS = 50_000;
const END_WITHIN_MS = 240_000;

export async function playSchedule(model: Model): Promise<void> {
  const { clock, world } = model;
  const first = model.start('v1-good');
  await clock.moveTo(clock.nowMs + 60_000, () => first.isOver);
  if (first.result?.exit !== 0) world.violated('the first deploy failed');
  const untilMs = clock.nowMs + LASTS_MS;
  while (clock.nowMs < untilMs && world.violations.length === 0) {
    await clock.moveTo(clock.nowMs + 20 + model.random() ** 3 * 6000);
    happen(model);
  }
  if (world.violations.length === 0) await putRight(model);
}

type Happening = (model: Model) => void;

/** How often each, beside the others. */
const HAPPENINGS: readonly (readonly [number, Happening])[] = [
  [10, deploy],
  [3, resume],
  [2, kill],
  [2, freeze],
  [2, interrupt],
  [1, command],
  [3, takeServer],
  [4, giveServer],
  [2, flip],
  [1, crash],
  [1, away],
  [1, gateways],
];

function happen(model: Model): void {
  const total = HAPPENINGS.reduce((sum, [share]) => sum + share, 0);
  let left = model.random() * total;
  for (const [share, act] of HAPPENINGS) {
    left -= share;
    if (left < 0) return act(model);
  }
}

function deploy(model: Model): void {
  if (model.runners.filter(isAtWork).length > 1) return;
  const kind = model.random() < 0.4 ? 'good' : pick(model, KINDS);
  const onFailure = pick(model, ['revert', 'park', 'rollback'] as const) ?? 'revert';
  model.start(`v${model.runners.length + 1}-${kind}`, { onFailure, force: model.random() < 0.1 });
}

function resume(model: Model): void {
  const last = model.runners.findLast(({ release }) => release !== '');
  if (last === undefined || (isAtWork(last) && model.random() < 0.8)) return;
  model.start(last.version, { resume: last.release });
}

function kill(model: Model): void {
  const runner = pick(model, model.runners.filter(isAtWork));
  if (runner === undefined) return;
  model.world.say(`${runner.name} is killed`);
  runner.gate.isDead = true;
  runner.wasStopped = true;
}

function freeze(model: Model): void {
  const runner = pick(model, model.runners.filter(isAtWork));
  if (runner === undefined || runner.gate.isFrozen) return;
  model.world.say(`${runner.name} stands still`);
  runner.wasStopped = true;
  runner.gate.freeze();
  later(500 + model.random() * 40_000, () => {
    model.world.say(`${runner.name} goes on`);
    runner.gate.thaw();
  });
}

function interrupt(model: Model): void {
  const runner = pick(model, model.runners.filter(isAtWork));
  if (runner === undefined || runner.wasStopped) return;
  model.world.say(`${runner.name}: SIGINT`);
  runner.interrupts.raise('SIGINT');
  if (model.random() < 0.4) later(model.random() * 4000, () => runner.interrupts.raise('SIGTERM'));
}

function command(model: Model): void {
  const kind = pick(model, ['pause', 'abort', 'abort_now'] as const) ?? 'pause';
  const ask = (what: 'resume' | typeof kind): void => {
    const owner = 'user:ann';
    model.world.say(`ann: ${what}`);
    model.shared.command('app', { command: what, owner, why: '' }).catch((error: unknown) => {
      if (!isSluiceError(error)) throw error; // Nothing runs.
    });
  };
  ask(kind);
  if (kind === 'pause') later(500 + model.random() * 8000, () => ask('resume'));
}

function takeServer(model: Model): void {
  const { world } = model;
  const id = pick(model, serversOf(model, 'release:')) ?? pick(model, [...world.servers.keys()]);
  if (id === undefined) return;
  const state = pick(model, ['drain', 'maint'] as const) ?? 'maint';
  world.say(`${id} ${state} by user:bob`);
  world.setAdmin(id, { state, owner: 'user:bob', reason: 'disk', sinceMs: 0 });
}

/** Most of the time what a person holds, else what a release has drained. */
function giveServer(model: Model): void {
  const { world } = model;
  const id = pick(model, serversOf(model, model.random() < 0.7 ? 'user:' : 'release:'));
  if (id === undefined) return;
  world.say(`${id} ready by user:bob`);
  world.setAdmin(id, { state: 'ready', owner: '', reason: '', sinceMs: 0 });
}

function serversOf({ world }: Model, owner: string): readonly string[] {
  const held = [...world.servers].filter(([, { admin }]) => admin.owner.startsWith(owner));
  return held.map(([id]) => id);
}

function flip(model: Model): void {
  const id = pick(model, [...model.world.servers.keys()]);
  if (id === undefined) return;
  const server = model.world.server(id);
  server.forced = server.forced === '' ? 'down' : '';
  server.forcedMs = model.clock.nowMs;
  model.world.changedMs = model.clock.nowMs;
  model.world.say(`${id} checks ${server.forced || 'as it is'}`);
}

function crash(model: Model): void {
  const { world } = model;
  const process = pick(
    model,
    world.processes.filter((one) => world.isAlive(one)),
  );
  if (process === undefined) return;
  world.say(`${process.instance} pid ${process.pid} crashes`);
  process.endMs = world.now();
  world.changedMs = world.now();
}

function away(model: Model): void {
  const { world, store } = model;
  const isRegistry = model.random() < 0.3;
  const set = (isAway: boolean): void => {
    world.say(`${isRegistry ? 'registry' : 'control plane'} ${isAway ? 'away' : 'back'}`);
    if (isRegistry) store.isAway = isAway;
    else world.isAway = isAway;
  };
  set(true);
  later(100 + model.random() ** 2 * 9000, () => set(false));
}

function gateways(model: Model): void {
  const { world } = model;
  world.isPartial = !world.isPartial;
  world.isSettled = false;
  world.say(`a gateway is ${world.isPartial ? 'not heard' : 'heard again'}`);
  later(model.random() * 3000, () => {
    world.isSettled = true;
  });
}

async function putRight(model: Model): Promise<void> {
  const { world, clock, store, runners } = model;
  world.say('--- all is put right');
  world.isAway = false;
  store.isAway = false;
  world.isPartial = false;
  world.isSettled = true;
  // One that has not begun may begin whenever it goes on, and its version is the newest then.
  for (const { gate } of runners.filter(({ release }) => release === '')) gate.thaw();
  for (const [id, server] of world.servers) {
    server.forced = '';
    if (server.admin.owner.startsWith('user:')) {
      world.setAdmin(id, { state: 'ready', owner: '', reason: '', sinceMs: 0 });
    }
  }
  world.changedMs = world.now();
  const untilMs = clock.nowMs + END_WITHIN_MS;
  let last: ModelRunner | null = null;
  while (clock.nowMs < untilMs && world.violations.length === 0) {
    const runner = model.start(`v${runners.length + 1}-good`);
    last = runner;
    await clock.moveTo(untilMs, () => runner.isOver);
    if (last.result !== null && last.result.exit === 0) break;
    await clock.moveTo(clock.nowMs + 5000);
  }
  if (world.violations.length > 0) return;
  if (last?.result?.exit !== 0) return world.violated('no deploy succeeds any more');
  for (const { gate } of runners) gate.thaw();
  await clock.moveTo(clock.nowMs + 60_000, () => runners.every((one) => !isAtWork(one)));
  for (const runner of runners.filter(isAtWork)) world.violated(`${runner.name} does not end`);
  for (const [id, { admin }] of world.servers) {
    const version = world.answers(id);
    if (version !== last.version) world.violated(`${id}: runs "${version}", not ${last.version}`);
    if (!world.isEligible(id))
      world.violated(`${id}: not in the pool (${admin.state} ${admin.owner})`);
  }
}

function isAtWork({ isOver, gate }: ModelRunner): boolean {
  return !isOver && !gate.isDead;
}

function later(ms: number, act: () => void): void {
  setTimeout(act, ms);
}

function pick<Item>({ random }: Model, items: readonly Item[]): Item | undefined {
  return items[Math.floor(random() * items.length)];
}
