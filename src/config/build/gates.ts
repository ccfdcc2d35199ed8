// Where a release waits for a person, and how the traffic of an instance is judged: the file's shape → the
// program's.

import type { ServiceFile } from '../sections/service.ts';
import type { ApproveConfig, VerifyConfig } from '../types.ts';

export function approveOf({ approve }: ServiceFile): ApproveConfig | null {
  return approve === undefined ? null : { before: approve.before, timeoutMs: approve.timeout };
}

export function verifyOf({ verify }: ServiceFile): VerifyConfig | null {
  if (verify === undefined) return null;
  return {
    windowMs: verify.window,
    minRequests: verify.min_requests,
    minErrors: verify.min_errors,
    errorShareMax: verify.max_5xx,
    vsPeers: verify.vs_peers,
    onTooFew: verify.on_too_few,
  };
}
