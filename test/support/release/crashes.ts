// Releases whose runner is killed at a record of its journal, and what becomes of them. All places are many:
// a test draws some, by a seed that it prints. SLUICE_CRASH=all tries each, SLUICE_SEED=n the same ones again.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { PROJECT, type Stack } from '../../../demo/stack/gateway.ts';
import { start } from '../../../demo/stack/processes.ts';
import { seededRandom } from '../base/random.ts';
import { versionOf } from './builders.ts';

export type CrashPlace = { readonly when: 'before' | 'after'; readonly seq: number };

export type Ground = {
  readonly stack: Stack;
  readonly instances: readonly string[];
  readonly journal: (release: string) => string;
};

/** Before and after each of these records. */
export function placesIn(first: number, last: number): readonly CrashPlace[] {
  const numbers = Array.from({ length: last - first + 1 }, (_, at) => first + at);
  return numbers.flatMap((seq) => [
    { when: 'before', seq },
    { when: 'after', seq },
  ]);
}

/** Some of them in any order, and something to draw further with. */
export function draw(
  t: TestContext,
  places: readonly CrashPlace[],
  count: number,
): { readonly places: readonly CrashPlace[]; readonly random: () => number } {
  const seed = Number(process.env['SLUICE_SEED'] ?? Math.floor(Math.random() * 1e6));
  const random = seededRandom(seed);
  if (process.env['SLUICE_CRASH'] === 'all') return { places, random };
  t.diagnostic(`SLUICE_SEED=${seed}`);
  const left = [...places];
  const drawn = Array.from({ length: Math.min(count, left.length) }, () =>
    left.splice(Math.floor(random() * left.length), 1),
  );
  return { places: drawn.flat(), random };
}

const HOOK = new URL('./kill-at-record.ts', import.meta.url).href;

/** Begins a release and kills its runner there. */
export async function crash(
  { stack, journal }: Ground,
  version: string,
  release: string,
  { when, seq }: CrashPlace,
): Promise<void> {
  const argv = ['-c', stack.configFile, 'deploy', 'app', '--version', version];
  const runner = start(process.execPath, [join(PROJECT, 'bin/sluice.js'), ...argv], {
    env: {
      ...{ NO_COLOR: '1', NODE_OPTIONS: `--import=${HOOK}` },
      SLUICE_TEST_KILL: `${when}:${seq}`,
    },
  });
  await runner.exited;
  const lines = (await readFile(journal(release), 'utf8')).split('\n').slice(0, -1);
  const written = when === 'before' ? seq : seq + 1;
  assert.equal(lines.length, written, `${lines.join('\n')}\n${runner.tail()}`);
}

/** Somebody else goes on with it, in one of the two ways, and all is well. The releases that there are then. */
export async function goOn(
  ground: Ground,
  dead: { readonly version: string; readonly number: number },
  way: 'resume' | 'deploy',
  next = dead.version,
): Promise<number> {
  const { stack, instances } = ground;
  const argv = way === 'resume' ? ['resume', 'app'] : ['deploy', 'app', '--version', next];
  const { code, text } = await stack.cli(argv);
  assert.equal(code, 0, text);
  if (way === 'deploy') assert.match(text, new RegExp(`release r${dead.number} to .* died `));
  assert.deepEqual(
    await Promise.all(instances.map(versionOf)),
    instances.map(() => next),
  );
  const [upstream] = (await stack.status()).upstreams;
  for (const server of upstream?.servers ?? []) {
    assert.deepEqual([server.admin.state, server.eligibility], ['ready', 'ok'], server.id);
  }
  return way === 'resume' ? dead.number : dead.number + 1;
}
