// What a process has used so far, finely enough for a burst of milliseconds: /proc/PID/stat counts in
// ticks of 10 ms, the scheduler's own figures of each thread in nanoseconds.

import { readdirSync, readFileSync } from 'node:fs';

/** CPU time of all threads that a process has now, µs (Linux). */
export function cpuMicros(pid: number): number {
  let nanos = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanos += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
  }
  return nanos / 1000;
}
