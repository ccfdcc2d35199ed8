// The face of the release module: a rolling release of a service whose instances are processes of
// this machine. Survey and plan are for looking, runRelease is for doing.

export { inRelease, seenArtifact } from './release/artifact.ts';
export type { PoolServer, PoolStatus, Receipt, ReleaseControl } from './release/control.ts';
export { examine, type Finding } from './release/doctor.ts';
export type {
  InstanceResult,
  ReleaseEvent,
  ReleaseReceipt,
  ReleaseResult,
} from './release/events.ts';
export { closeHosts } from './release/hosts.ts';
export { type PastRelease, pastOf, readHistory, readRelease } from './release/journal/history.ts';
export { begunWith } from './release/journal/replay.ts';
export { type InstanceLog, instanceLogs } from './release/logs.ts';
export { masked } from './release/masking.ts';
export { type Plan, planRelease, type Step as PlanStep } from './release/plan.ts';
export { versionsServing } from './release/result.ts';
export { type RollbackTarget, rollbackTarget } from './release/rollback-target.ts';
export { type ReleaseOptions, runRelease } from './release/run.ts';
export { type Supervised, Supervisor } from './release/supervise.ts';
export { secretsIn, survey } from './release/survey.ts';
export { percentText } from './release/verdict.ts';
export { Interrupts } from './release/wait.ts';
