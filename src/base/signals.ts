// Signals that a service gets out of somebody's habit: what reloads, rotates or upgrades another
// program, what a timer or a limit sends, what stops a job. Node knows nothing to do with them, and
// the system's own action ends or stops the process, or (SIGUSR1) Node's opens its debugger. Whoever
// runs long listens for all of them. Not for SIGKILL and SIGSTOP, which nobody can, nor for those of a
// broken process (SIGSEGV, SIGABRT, …), which are to leave a core, nor for the real-time ones, which
// Node does not offer.

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
