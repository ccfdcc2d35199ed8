// A signal to a process of a test.

/** To a process that may have ended, or never begun: 0 would be our own group. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    if (pid > 0) process.kill(pid, name);
  } catch {
    // It has ended.
  }
}
