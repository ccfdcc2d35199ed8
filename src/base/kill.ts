// Ends a process of ours that may have ended by itself.

/** At once, and without waiting until it is gone. */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
