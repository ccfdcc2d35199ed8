// kill -9 of the runner before and after each record of a release, so between an effect and its record, too:
// the next runner finishes it, the pool is never empty and no request fails.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Load, startLoad } from '../demo/load.ts';
import {
  type CrashPlace,
  crash,
  draw,
  type Ground,
  goOn,
  placesIn,
} from './support/release/crashes.ts';
import { startHostsStack } from './support/release/hosts-stack.ts';
import { watchPool } from './support/release/killed.ts';
import { startReleaseStack } from './support/release/stack.ts';

/** Records 0 and 1 are its beginning and its plan, then six steps of each of two instances, with intent and done. */
const RELEASE = placesIn(1, 1 + 2 * 6 * 2);
/** Of a broken version: five steps until its check has failed, then the four of the revert. */
const REVERT = placesIn(2 + 5 * 2, 1 + 5 * 2 + 4 * 2);

/** At v0 and under load, which is ended by what it gives back. */
async function underLoad(
  t: TestContext,
  ground: Ground & { readonly cleanup: { add(end: () => unknown): void } },
): Promise<Load> {
  const first = await ground.stack.cli(['deploy', 'app', '--version', 'v0']);
  assert.equal(first.code, 0, first.text);
  const load = startLoad({ host: '127.0.0.1', port: ground.stack.ports.gateway, rate: 40 });
  ground.cleanup.add(() => load.stop());
  t.diagnostic('at v0');
  return load;
}

type Case = { readonly it: Ground; readonly load: Load; readonly number: number };

/** Gives the number of the newest release. */
async function one(
  { it, load, number }: Case,
  place: CrashPlace,
  version: string,
  way: 'resume' | 'deploy',
  next = version,
): Promise<number> {
  const pool = watchPool(it);
  await crash(it, version, `r${number}`, place);
  const newest = await goOn(it, { version, number }, way, next);
  assert((await pool.stop()) >= 1, 'the pool was empty for a moment');
  assert.deepEqual(load.summary().failures, []);
  return newest;
}

/** A release of two instances, killed at some of its places. */
async function releases(t: TestContext, it: Ground, load: Load, count: number): Promise<void> {
  const { places, random } = draw(t, RELEASE, count);
  let newest = 1;
  for (const [at, place] of places.entries()) {
    // Without its plan there is nothing to go on with.
    const way = place.seq > 1 && random() < 0.5 ? 'resume' : 'deploy';
    await t.test(`killed ${place.when} record ${place.seq}, then ${way}`, async () => {
      newest = await one({ it, load, number: newest + 1 }, place, `v${at + 1}`, way);
    });
  }
  assert.equal((await load.stop()).failed, 0);
}

test('a release whose runner is killed at any record is finished by the next one', async (t) => {
  const it = await startReleaseStack(t);
  await releases(t, it, await underLoad(t, it), 5);
});

test('the same on hosts behind ssh', async (t) => {
  const hosts = await startHostsStack(t);
  if (hosts === undefined) return;
  const journal = (release: string): string =>
    join(hosts.runFolder, 'releases', `${release}.jsonl`);
  const it = { ...hosts, instances: hosts.ids, journal };
  await releases(t, it, await underLoad(t, it), 3);
});

test('a revert whose runner is killed at any record is finished by the next release', async (t) => {
  const it = await startReleaseStack(t);
  const load = await underLoad(t, it);
  const { places } = draw(t, REVERT, 2);
  let newest = 1;
  for (const [at, place] of places.entries()) {
    await t.test(`killed ${place.when} record ${place.seq}`, async () => {
      const number = newest + 1;
      newest = await one({ it, load, number }, place, 'broken', 'deploy', `v${at + 1}`);
    });
  }
  assert.equal((await load.stop()).failed, 0);
});
