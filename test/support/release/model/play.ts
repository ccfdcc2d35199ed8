// The program that plays the schedules of the seeds FROM to TO, and says of each that broke a promise what was
// broken and what had happened. By itself, because the test runner's hooks on promises make it several times slower.

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModelClock } from './clock.ts';
import { Model } from './model.ts';
import { playSchedule } from './schedule.ts';

const [from = 1, to = 1] = process.argv.slice(2).map(Number);
// Each record is synced: in memory, where there is such a folder, that takes no time.
const place = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const folder = await mkdtemp(join(place, 'sluice-model-'));
const clock = new ModelClock();
const broken: string[] = [];
for (let seed = from; seed <= to; seed += 1) {
  const model = new Model(seed, join(folder, String(seed)), clock);
  await playSchedule(model);
  await model.end();
  const { violations, log } = model.world;
  if (violations.length === 0) continue;
  if (broken.length === 0) process.stdout.write(`${log.join('\n')}\n`);
  broken.push(`seed ${seed}: ${violations.join('; ')}\n`);
}
await rm(folder, { recursive: true, force: true });
process.stdout.write(broken.join(''));
process.exitCode = broken.length === 0 ? 0 : 1;
