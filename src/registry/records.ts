// Records read as instances: which servers exist, from the records under a prefix.

export type { Instance, Membership, RecordProblem, RecordText } from './records/instance.ts';
export {
  INTENT_NOTE,
  type InstanceRead,
  readInstance,
  readKey,
  recordOf,
} from './records/instance-record.ts';
export { MembershipReader, ProblemLog, recordSource } from './records/membership.ts';
