// What must hold whatever happens, with seeded randomness: shares follow the weights, nobody who is
// not eligible is picked, nobody eligible is passed over, no table update loses a request in flight.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../test/support/base/random.ts';
import {
  createUpstream,
  request,
  serverState,
  upstreamState,
} from '../../test/support/upstream/builders.ts';
import {
  BALANCES,
  type Balance,
  type Balancing,
  eligibility,
  isOpenStanding,
  ROUND_ROBIN,
  type ServerState,
} from '../model.ts';
import { isOpenState } from './balancing/open-servers.ts';
import type { Outcome, Server } from './server.ts';
import type { Upstream } from './upstream.ts';

/** Those whose shares are exact. */
const EXACT: readonly Balance[] = ['round_robin', 'least_conn'];
// Object.keys forgets the type of the keys.
const ALL = Object.keys(BALANCES) as Balance[];

test('each server gets exactly its share in every full round of the weights', () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const dice = new Dice(seed);
    const weights = Array.from({ length: dice.between(1, 12) }, () => dice.between(1, 20));
    const upstream = createUpstream(
      weights.map((weight) => ({ weight })),
      { balancing: { ...ROUND_ROBIN, method: dice.oneOf(EXACT) } },
    );
    const round = weights.reduce((sum, weight) => sum + weight, 0);
    for (let pass = 1; pass <= 3; pass += 1) {
      for (let pick = 0; pick < round; pick += 1) upstream.pick(request(), 0)?.settle('success', 0);
      assert.deepEqual(
        upstream.servers.map((server) => server.counters.attempts),
        weights.map((weight) => weight * pass),
        `seed ${seed}`,
      );
    }
  }
});

test('through random picks, outcomes, waits and tables only eligible servers are picked', () => {
  for (let seed = 1; seed <= 60; seed += 1) new Scenario(seed).run(400);
});

test('a large upstream picks what a plain scan of its twin picks', () => {
  for (let seed = 1; seed <= 30; seed += 1) compareWithScan(new Dice(seed), `seed ${seed}`);
});

test('servers that change, join and leave one by one are what a whole new table makes of them', () => {
  for (let seed = 1; seed <= 150; seed += 1) compareWithTable(new Dice(seed), `seed ${seed}`);
});

/** The same history for two upstreams; the twin gets each change as a whole table. */
function compareWithTable(dice: Dice, where: string): void {
  const count = dice.oneOf([1, 2, 3, 12, 40]);
  const settings = {
    balancing: randomBalancing(dice),
    slowStartMs: dice.oneOf([0, 2000]),
    maxEjected: dice.oneOf([1, 0.5, 0.1]),
  };
  let states = upstreamState(
    Array.from({ length: count }, (_, index) => ({ id: `s${index}`, ...randomState(dice) })),
  ).servers;
  const seed = dice.between(1, 1e6);
  const [ours, twin] = [0, 1].map(() =>
    createUpstream(states, settings, () => {}, seededRandom(seed)),
  );
  assert(ours !== undefined && twin !== undefined);
  const flying: (readonly [Server, Server])[] = [];
  let nowMs = 0;
  for (let step = 0; step < 300; step += 1) {
    nowMs += dice.between(0, 300);
    if (dice.chance(0.1)) {
      const part = dice.oneOf([0.05, 0.5]);
      const changed = states
        .filter(() => dice.chance(part))
        .map((state) => ({ ...state, ...(dice.chance(0.5) ? randomState(dice) : { weight: 3 }) }));
      const byId = new Map(changed.map((state) => [state.id, state]));
      states = states.map((state) => byId.get(state.id) ?? state);
      const left = dice.chance(0.4) ? states.filter(() => dice.chance(0.1)) : [];
      states = states.filter((state) => !left.includes(state));
      const joined = dice.chance(0.4) ? randomNewcomers([...states, ...left], dice) : [];
      for (const state of joined) {
        states = states.toSpliced(dice.between(0, states.length), 0, state);
      }
      // In any order: each has its place.
      const servers = [...joined, ...changed.filter((state) => states.includes(state))];
      const places = servers.map((state) => states.indexOf(state));
      ours.change({ name: 'web', servers, places, left: left.map(({ id }) => id) }, nowMs);
      twin.apply(upstreamState(states, settings), nowMs);
    } else if (dice.chance(0.6)) {
      const tried = new Set(ours.servers.filter(() => dice.chance(0.05)).map(({ id }) => id));
      const keys = randomKeys(dice);
      const pick = (upstream: Upstream): Server | undefined => {
        const servers = upstream.servers.filter(({ id }) => tried.has(id));
        return upstream.pick(request(servers, keys), nowMs);
      };
      const picked: Server | undefined = pick(ours);
      const expected: Server | undefined = pick(twin);
      assert.equal(picked?.id, expected?.id, `${where}, step ${step}`);
      if (picked !== undefined && expected !== undefined) flying.push([picked, expected]);
    } else if (flying.length > 0) {
      const [pair] = flying.splice(dice.between(0, flying.length - 1), 1);
      const outcome = dice.oneOf<Outcome>(['success', 'success', 'failure', 'neutral']);
      const tookMs = dice.between(0, 500);
      const [mine, theirs] = pair ?? [];
      if (mine !== undefined) ours.settle(mine, outcome, nowMs, tookMs);
      if (theirs !== undefined) twin.settle(theirs, outcome, nowMs, tookMs);
    }
    assert.deepEqual(
      ours.servers.map((server) => [server.state, server.fails, eligibility(server, nowMs)]),
      twin.servers.map((server) => [server.state, server.fails, eligibility(server, nowMs)]),
      `${where}, step ${step}`,
    );
    const stopping = (upstream: Upstream): string[] =>
      [...upstream.stopping()].map(({ id }) => id).toSorted();
    assert.deepEqual(stopping(ours), stopping(twin), `${where}, step ${step}`);
  }
}

/** New ones, and some that left before. */
function randomNewcomers(states: readonly ServerState[], dice: Dice): readonly ServerState[] {
  const ids = Array.from({ length: 45 }, (_, index) => `s${index}`).filter(
    (id) => dice.chance(0.05) && states.every((state) => state.id !== id),
  );
  return ids.map((id) => serverState({ id, ...randomState(dice) }));
}

/** The same history for two upstreams; the twin is picked by nginx's loop as it stands there. */
function compareWithScan(dice: Dice, where: string): void {
  const randomTable = () =>
    upstreamState(
      Array.from({ length: 60 }, (_, index) => ({ id: `s${index}`, ...randomState(dice) })).filter(
        () => dice.chance(0.9),
      ),
      { slowStartMs: dice.oneOf([0, 2000]) },
    );
  const first = randomTable();
  const [ours, twin] = [createUpstream([]), createUpstream([])];
  for (const upstream of [ours, twin]) upstream.apply(first, 0);
  const flying: (readonly [Server, Server])[] = [];
  let nowMs = 0;
  for (let step = 0; step < 600; step += 1) {
    nowMs += dice.between(0, 100);
    if (dice.chance(0.01)) {
      const table = randomTable();
      for (const upstream of [ours, twin]) upstream.apply(table, nowMs);
    } else if (dice.chance(0.6)) {
      const tried = new Set(ours.servers.filter(() => dice.chance(0.02)).map(({ id }) => id));
      const picked = ours.pick(request(ours.servers.filter(({ id }) => tried.has(id))), nowMs);
      const expected = scan(twin, tried, nowMs);
      assert.equal(picked?.id, expected?.id, `${where}, step ${step}`);
      if (picked !== undefined && expected !== undefined) flying.push([picked, expected]);
    } else if (flying.length > 0) {
      const [pair] = flying.splice(dice.between(0, flying.length - 1), 1);
      const outcome = dice.oneOf<Outcome>(['success', 'success', 'failure', 'neutral']);
      for (const server of pair ?? []) server.settle(outcome, nowMs);
    }
  }
}

function scan(upstream: Upstream, tried: ReadonlySet<string>, nowMs: number): Server | undefined {
  for (const backup of [false, true]) {
    let best: Server | undefined;
    let total = 0;
    for (const server of upstream.servers) {
      if (server.state.backup !== backup || tried.has(server.id)) continue;
      if (!isOpenStanding(eligibility(server, nowMs))) continue;
      const gain = server.effective * server.ramp(nowMs);
      server.current += gain;
      total += gain;
      if (server.effective < server.state.weight) server.effective += 1;
      if (best === undefined || server.current > best.current) best = server;
    }
    if (best === undefined) continue;
    best.current -= total;
    best.take(nowMs);
    return best;
  }
  // Its balancers have nobody either, so this is the one that is tried as the last.
  const list = upstream.servers.filter(({ id }) => tried.has(id));
  return upstream.pick(request(list), nowMs);
}

function randomBalancing(dice: Dice): Balancing {
  return {
    method: dice.oneOf(ALL),
    key: { kind: 'path', name: '' },
    loadMax: dice.oneOf([0, 125]),
    sticky: dice.chance(0.3) ? { cookie: 'at', attributes: '' } : null,
  };
}

function randomKeys(dice: Dice): Record<string, string> {
  const key = String(dice.between(0, 30));
  return { path: dice.chance(0.1) ? '' : key, client: `10.0.${key}.1` };
}

function randomState(dice: Dice): Partial<ServerState> {
  return {
    weight: dice.between(1, 5),
    maxFails: dice.between(0, 2),
    failTimeoutMs: dice.oneOf([0, 500, 5000]),
    maxConns: Math.max(0, dice.between(-4, 3)),
    backup: dice.chance(0.3),
    admin: dice.oneOf(['ready', 'ready', 'ready', 'drain', 'maint']),
    checks: dice.oneOf(['up', 'up', 'up', 'unknown', 'down']),
    isPanic: dice.chance(0.3),
    addresses: ['127.0.0.1'],
    mustPass: dice.chance(0.5),
  };
}

class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** Both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  oneOf<T>(list: readonly T[]): T {
    const entry = list[this.between(0, list.length - 1)];
    assert.ok(entry !== undefined);
    return entry;
  }
}

/** One upstream under random use, beside a model of what is in flight. */
class Scenario {
  readonly #dice: Dice;
  readonly #where: string;
  readonly #upstream: Upstream;
  readonly #flying: Server[] = [];
  readonly #idle: Server[] = [];
  readonly #expectedIdle: Server[] = [];
  #nowMs = 0;

  constructor(seed: number) {
    this.#dice = new Dice(seed);
    this.#where = `seed ${seed}`;
    this.#upstream = createUpstream([], {}, (server) => this.#idle.push(server));
    this.#change();
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step += 1) {
      this.#nowMs += this.#dice.between(0, 300);
      if (this.#dice.chance(0.05)) this.#change();
      else if (this.#dice.chance(0.55)) this.#pick();
      else this.#settle();
      this.#check();
    }
  }

  #pick(): void {
    const { servers } = this.#upstream;
    const tried = servers.filter(() => this.#dice.chance(0.2));
    const able = servers.filter(
      (server) => isOpenStanding(eligibility(server, this.#nowMs)) && !tried.includes(server),
    );
    // Nobody else is left: those that are in, and were ejected, are tried.
    const ejected = servers.filter(
      (entry) =>
        isOpenState(entry.state) &&
        !tried.includes(entry) &&
        !entry.isFull() &&
        !able.includes(entry),
    );
    const server = this.#upstream.pick(request(tried, randomKeys(this.#dice)), this.#nowMs);
    if (server === undefined) {
      assert.deepEqual([...able, ...ejected], [], this.#where);
      return;
    }
    if (able.length === 0) {
      assert.ok(ejected.includes(server), `${this.#where}: ${server.id} is out`);
      this.#flying.push(server);
      return;
    }
    assert.ok(able.includes(server), `${this.#where}: ${server.id} was not eligible`);
    const isPrimaryLeft = able.some((entry) => !entry.state.backup);
    assert.equal(server.state.backup, !isPrimaryLeft, this.#where);
    this.#flying.push(server);
  }

  #settle(): void {
    if (this.#flying.length === 0) return;
    const [server] = this.#flying.splice(this.#dice.between(0, this.#flying.length - 1), 1);
    if (server === undefined) return;
    const outcome = this.#dice.oneOf<Outcome>(['success', 'success', 'failure', 'neutral']);
    this.#upstream.settle(server, outcome, this.#nowMs, this.#dice.between(0, 500));
    const isOut = server.gone || server.state.admin !== 'ready';
    if (isOut && !this.#flying.includes(server)) this.#expectedIdle.push(server);
  }

  #change(): void {
    const before = new Map(this.#upstream.servers.map((server) => [server.id, server]));
    const states = [...'abcdefgh']
      .filter(() => this.#dice.chance(0.7))
      .map((id) => ({ id, ...randomState(this.#dice) }));
    const balancing = randomBalancing(this.#dice);
    const slowStartMs = this.#dice.oneOf([0, 2000]);
    this.#upstream.apply(upstreamState(states, { balancing, slowStartMs }), this.#nowMs);
    const ids = this.#upstream.servers.map((server) => server.id);
    assert.deepEqual(
      ids,
      states.map((state) => state.id),
      this.#where,
    );
    for (const server of this.#upstream.servers) {
      const last = before.get(server.id);
      if (last !== undefined) assert.equal(server, last, `${this.#where}: ${server.id} stayed`);
    }
  }

  #check(): void {
    const listed = this.#upstream.figures(this.#nowMs).servers;
    for (const { id, inFlight, eligibility: reason } of listed) {
      const flying = this.#flying.filter((server) => server.id === id).length;
      assert.equal(inFlight, flying, `${this.#where}: in flight on ${id}`);
      const server = this.#upstream.servers.find((entry) => entry.id === id);
      const { maxConns = 0 } = server?.state ?? {};
      if (reason === 'ok' && maxConns > 0) assert.ok(inFlight < maxConns, this.#where);
    }
    const total = listed.reduce((sum, server) => sum + server.inFlight, 0);
    assert.equal(total, this.#flying.length, `${this.#where}: every request in flight is listed`);
    assert.deepEqual(this.#idle, this.#expectedIdle, this.#where);
  }
}
