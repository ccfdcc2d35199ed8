// What can go wrong in the middle of a release. Each trouble ends by itself.

import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../../demo/load.ts';
import type { Child } from '../../demo/stack.ts';
import { signal } from '../../test/support/base/signal.ts';
import { answerOf, type Ground } from './ground.ts';
import { descendants, nameOf, within } from './processes.ts';

/** After a trouble is over, what it caused may still come in for so long. */
const AFTER_MS = 1000;

export type Run = { readonly child: Child; readonly lines: string[] };
type Act = (ground: Ground, run: Run) => Promise<void>;

export const TROUBLES: Readonly<Record<string, Act>> = {
  none: async () => {},
  'kill-runner': async (_, { child }) => signal(child.pid, 'SIGKILL'),
  interrupt: async (_, { child }) => signal(child.pid, 'SIGINT'),
  // As a job of a CI system is cancelled.
  cancel: async (_, { child }) => {
    signal(child.pid, 'SIGINT');
    await within(child, 7500);
    signal(child.pid, 'SIGTERM');
    await within(child, 2500);
    signal(child.pid, 'SIGKILL');
  },
  'freeze-runner': async ({ random }, { child }) => {
    signal(child.pid, 'SIGSTOP');
    await delay(500 + random() * 4000);
    signal(child.pid, 'SIGCONT');
  },
  'cut-ssh': async (_, { child }) => {
    for (const pid of await descendants(child.pid)) {
      if ((await nameOf(pid)) === 'ssh') signal(pid, 'SIGKILL');
    }
  },
  'freeze-host': async ({ sshds, random }) => {
    const sshd = sshds[Math.floor(random() * sshds.length)];
    const sessions = sshd?.connections() ?? [];
    for (const pid of sessions) signal(pid, 'SIGSTOP');
    await delay(500 + random() * 5000);
    for (const pid of sessions) signal(pid, 'SIGCONT');
  },
  'kill-instance': async (ground) => {
    const { instances, random } = ground;
    const id = instances[Math.floor(random() * instances.length)] ?? '';
    const found = await answerOf(id);
    if (found.pid === 0) return;
    const excuse = { why: 'kill-instance', fromMs: monotonicMs(), toMs: Number.POSITIVE_INFINITY };
    ground.excuses.push(excuse);
    signal(found.pid, 'SIGKILL');
    // It may have been the only one in traffic: clients may fail until another process answers there.
    for (let tries = 0; tries < 300; tries += 1) {
      const { pid } = await answerOf(id);
      if (pid !== 0 && pid !== found.pid) break;
      await delay(100);
    }
    excuse.toMs = monotonicMs() + AFTER_MS;
  },
  'freeze-gateway': async ({ stacks, random }) => {
    const pid = stacks[1]?.pid ?? 0;
    signal(pid, 'SIGSTOP');
    await delay(500 + random() * 3000);
    signal(pid, 'SIGCONT');
  },
};
