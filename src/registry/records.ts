// Records read as instances: which servers exist, from the records under a prefix.

export type { Instance, Membership, Problem } from './records/instance.ts';
export { type InstanceRead, readInstance } from './records/instance-record.ts';
export { type FollowOptions, followMembership } from './records/membership.ts';
