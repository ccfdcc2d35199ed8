// Processes that are no children of ours, and how long one of ours may take.

import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from '../../demo/stack.ts';
import { childrenOf } from '../../test/support/base/process-facts.ts';

/** True when it has ended by then. */
export function within(child: Child, ms: number): Promise<boolean> {
  return Promise.race([child.exited.then(() => true), delay(ms, false, { ref: false })]);
}

export async function descendants(pid: number): Promise<readonly number[]> {
  if (pid === 0) return [];
  let children: readonly number[] = [];
  try {
    children = childrenOf(pid);
  } catch {
    return []; // It has ended.
  }
  const below = await Promise.all(children.map(descendants));
  return [...children, ...below.flat()];
}

export async function nameOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim().replace(/-.*$/, '');
}
