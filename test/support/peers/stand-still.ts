// Stops a process and all of its threads. A signal takes effect a little later than it is sent: until
// then the process could still answer, and a test would wait for what has happened already.

import { readdirSync, readFileSync } from 'node:fs';

/** Every thread has stopped when it returns; it is woken by SIGCONT. */
export function standStill(pid: number): void {
  process.kill(pid, 'SIGSTOP');
  const deadlineMs = Date.now() + 10_000;
  while (!threadsOf(pid).every((state) => state === 'T')) {
    if (Date.now() > deadlineMs) throw new Error(`process ${pid} does not stop`);
  }
}

function threadsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    // The name before it may have blanks and brackets of its own.
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  });
}
