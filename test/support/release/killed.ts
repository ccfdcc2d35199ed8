// Releases whose runner ends before they do, and others that find them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ReleaseStack, startDeploy, startReleaseStack } from './stack.ts';

/** Records of one instance: begin and plan before it, six steps with intent and done. */
export const FIRST = 2;
export const STEPS = 6;

export async function stackAt(t: TestContext, version: string): Promise<ReleaseStack> {
  const it = await startReleaseStack(t);
  const first = await it.stack.cli(['deploy', 'app', '--version', version]);
  assert.equal(first.code, 0, first.text);
  return it;
}

export async function killAfter(it: ReleaseStack, version: string, name: string, count: number) {
  const runner = startDeploy(it, version);
  let isOver = false;
  void runner.exited.then(() => {
    isOver = true;
  });
  const lines = async (): Promise<number> =>
    (await readFile(it.journal(name), 'utf8').catch(() => '')).split('\n').length - 1;
  while ((await lines()) < count && !isOver) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await runner.stop('SIGKILL');
  assert((await lines()) >= count, runner.tail());
}

/** As on another machine: no configuration there, no journal, no records of instances. */
export async function elsewhere(it: ReleaseStack, argv: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-elsewhere-'));
  it.cleanup.add(() => rm(folder, { recursive: true, force: true }));
  const control = `127.0.0.1:${it.stack.ports.admin}`;
  const program = join(import.meta.dirname, '../../..', 'bin/sluice.js');
  const child = spawn(process.execPath, [program, ...argv, '--control', control], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1' },
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  }
  const [code] = await once(child, 'close');
  return { code: Number(code), text: Buffer.concat(chunks).toString() };
}

export async function poolOf({ stack }: ReleaseStack): Promise<readonly string[]> {
  const [upstream] = (await stack.status()).upstreams;
  return (upstream?.servers ?? []).map(({ admin, eligibility }) => `${admin.state} ${eligibility}`);
}

/** Looks at the pool as fast as it answers; the fewest eligible servers seen. */
export function watchPool({ stack }: Pick<ReleaseStack, 'stack'>): { stop(): Promise<number> } {
  let least = Number.POSITIVE_INFINITY;
  let isOver = false;
  const watching = (async (): Promise<void> => {
    while (!isOver) {
      const [upstream] = (await stack.status()).upstreams;
      least = Math.min(least, upstream?.eligible ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await watching;
      return least;
    },
  };
}
