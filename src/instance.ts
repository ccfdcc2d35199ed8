// The service side: an instance that brings itself into traffic when it is healthy, and takes itself out
// before it ends. For the verbs `sluice instance join` and `leave`, and for Node programs.

export { type Joined, type JoinOptions, join } from './instance/join-process.ts';
export {
  type AdmitEnd,
  admit,
  type InstanceControl,
  type InstanceTarget,
  type LeaveEnd,
  withdraw,
} from './instance/membership.ts';
export { answersAt } from './instance/probe.ts';
