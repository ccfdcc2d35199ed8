// Signals that people and tools send by habit: to reload, rotate or upgrade another program, to stop a
// job, or when a timer or a limit ends. Without a listener the system ends or stops the process, and
// with SIGUSR1 Node opens its debugger. So a program that runs long listens for all of them. Exceptions:
// SIGKILL and SIGSTOP, which nobody can catch; those of a broken process (SIGSEGV, SIGABRT, …), which
// should leave a core; and the real-time ones, for which Node offers no listener.

import { isatty } from 'node:tty';

const HABITUAL = [
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGVTALRM',
  'SIGPROF',
  'SIGIO',
  'SIGSTKFLT',
  'SIGXCPU',
] as const;
/** With a terminal they are its job control, and a write that one of them interrupts may never end. */
const OF_JOBS = ['SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGWINCH'] as const;

/** These ask for an end. */
export const ENDING = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGPWR'] as const;

export type EndingSignal = (typeof ENDING)[number];
export type HabitualSignal = (typeof HABITUAL)[number] | (typeof OF_JOBS)[number];

/** From now on these do nothing but call `onSignal`. */
export function onHabitualSignals(onSignal: (signal: HabitualSignal) => void): void {
  const hasTerminal = isatty(0) || isatty(1) || isatty(2);
  for (const signal of hasTerminal ? HABITUAL : [...HABITUAL, ...OF_JOBS]) {
    // A profiler has its own use for it.
    if (signal === 'SIGPROF' && isProfiled()) continue;
    process.on(signal, onSignal);
  }
}

function isProfiled(): boolean {
  return /--(cpu-)?prof\b/.test(`${process.execArgv.join(' ')} ${process.env['NODE_OPTIONS']}`);
}
