// The face of the flight recorder: which requests are worth a story, and what is told of them.

export { masked, short } from './recorder/masked.ts';
export { oldestOf } from './recorder/oldest.ts';
export { Recorder } from './recorder/recorder.ts';
export { clientIdIn, RequestIds, traceIdIn } from './recorder/request-ids.ts';
export { stateThen } from './recorder/state-then.ts';
