// The first code of a worker process: takes over the signals before the gateway's modules are loaded,
// so that a signal to the whole process group never ends a worker that is still starting.

import { ENDING, onHabitualSignals } from '../base/signals.ts';

const nothing = (): void => {};

onHabitualSignals(nothing);
for (const signal of ENDING) process.on(signal, nothing);

await import('./worker.ts');
