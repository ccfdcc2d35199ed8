// How requests reach an etcd cluster, whichever of its APIs they speak.

export { Calls, type Judge, type Login, unknownOutcome } from './transport/calls.ts';
export { checkEtcdTls, type EtcdTls } from './transport/connections.ts';
export { Endpoints, type Follower } from './transport/endpoints.ts';
export {
  ANSWER_BYTES_MAX,
  type EtcdReply,
  type EtcdRequest,
  type RequestFailure,
} from './transport/http-request.ts';
export type { Pulse } from './transport/pulse.ts';
export { GRPC, isUnavailable, isUntouched, readError } from './transport/refusal.ts';
export { Turns } from './transport/turns.ts';
export { WatchHealth } from './transport/watch-health.ts';
