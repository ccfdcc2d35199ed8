// The face of the health module: active probes of the upstreams' servers, each with a verdict and
// its reason. Runs once per host (in the primary), on connections of its own.

export { type CheckedServer, Checker } from './health/checker.ts';
export type { CheckSpec, StatusClass, Verdict } from './health/spec.ts';
