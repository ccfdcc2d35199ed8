// The face of the health module: active probes of the upstreams' servers, each with a verdict and
// its reason. Runs once per host (in the primary), on connections of its own.

export { type CheckedServer, Checker } from './health/checker.ts';
export { LoopWatch } from './health/loop-watch.ts';
export { type ProbeResult, startProbe } from './health/probe.ts';
export type { CheckSpec, CheckType, ProbeSpec, StatusClass, Verdict } from './health/spec.ts';
