// The start of the embedded registry with many keys, and the memory that a key takes: each in a process
// of its own, so that nothing but the keys is counted.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { silentLog } from '../../src/base/log.ts';
import { openStore } from '../../src/registry.ts';

const VALUE = '{"weight":1, "max_fails":2, "fail_timeout":10, "down":0}';
const AT_ONCE = 1_000;

export type KeyFigures = { readonly startMs: number; readonly bytesPerKey: number };

export async function measureKeys(folder: string, count: number): Promise<KeyFigures> {
  const dataDir = join(folder, `keys-${count}`);
  await inOwnProcess('fill', dataDir, count);
  return inOwnProcess('open', dataDir, count);
}

async function inOwnProcess(what: string, dataDir: string, count: number): Promise<KeyFigures> {
  const child = fork(import.meta.filename, [what, dataDir, String(count)], {
    execArgv: ['--expose-gc'],
    stdio: 'inherit',
  });
  const ended = once(child, 'exit');
  const [figures] = await Promise.race([
    once(child, 'message'),
    ended.then(() => Promise.reject(new Error(`${what} ended`))),
  ]);
  await ended;
  return figures;
}

async function fill(dataDir: string, count: number): Promise<KeyFigures> {
  const store = openStore({ dataDir, log: silentLog });
  for (let from = 0; from < count; from += AT_ONCE) {
    const keys = Array.from({ length: AT_ONCE }, (_, at) => keyOf(from + at));
    await Promise.all(keys.map((key) => store.put(key, Buffer.from(VALUE))));
  }
  store.close();
  return { startMs: 0, bytesPerKey: 0 };
}

function open(dataDir: string, count: number): KeyFigures {
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const startedMs = performance.now();
  const store = openStore({ dataDir, log: silentLog });
  const startMs = performance.now() - startedMs;
  globalThis.gc?.();
  const bytesPerKey = (process.memoryUsage().rss - before) / count;
  store.close();
  return { startMs, bytesPerKey };
}

function keyOf(at: number): string {
  return `upstreams/app${at % 1_000}/10.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}:8080`;
}

if (import.meta.main) {
  const [what, dataDir = '', count = '0'] = process.argv.slice(2);
  const figures =
    what === 'fill' ? await fill(dataDir, Number(count)) : open(dataDir, Number(count));
  process.send?.(figures);
  process.disconnect?.();
}
