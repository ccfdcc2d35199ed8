// How a step ends: done, failed, taken over, or too few others. The last two are no failures: nobody is
// to blame, and the release goes on.

import { type ErrorCode, isSluiceError, messageOf } from '../base/errors.ts';
import type { Facts } from './events.ts';

/** Why a step, or the whole release, did not do what it should. */
export type StepFailure = {
  /** `release_failed` speaks against the version; every other code does not. */
  readonly code: ErrorCode | 'interrupted';
  readonly reason: string;
  /** The last probe and the last lines of the log. */
  readonly evidence: readonly string[];
  /** The upstream does not have the server any more, so that nobody can admit it. */
  readonly isServerRemoved?: true;
  /** An instance that was released before, which failed; absent: it is the instance of the step. */
  readonly releasedBefore?: string;
  /** A person has put the failed instance into traffic meanwhile: who, in words. It is not touched. */
  readonly inTraffic?: string;
};

export type StepEnd =
  | { readonly kind: 'done'; readonly facts: Facts }
  | { readonly kind: 'failed'; readonly failure: StepFailure }
  /** A person or another release holds the server now, and it is left to them. */
  | { readonly kind: 'taken_over'; readonly reason: string }
  /** Too few others were left while it drained: it goes back, and the guard is asked again. */
  | { readonly kind: 'too_few_others'; readonly reason: string };

/** The control plane, or the registry behind it, did not answer: what was asked of it may have been done. */
export function isUnanswered({ code }: StepFailure): boolean {
  return code === 'unreachable' || code === 'timeout' || code === 'registry_unreachable';
}

export function done(facts: Facts): StepEnd {
  return { kind: 'done', facts };
}

export function failed(
  code: StepFailure['code'],
  reason: string,
  evidence: readonly string[] = [],
): StepEnd {
  return { kind: 'failed', failure: { code, reason, evidence } };
}

/** The server was removed from the upstream, as a scale-in does. */
export function serverRemoved(upstream: string): StepEnd {
  const reason = `its record is gone: upstream "${upstream}" has no such server any more`;
  return {
    kind: 'failed',
    failure: { code: 'conflict', reason, evidence: [], isServerRemoved: true },
  };
}

/** An expected error of the control plane or of the disk as the end of a step. */
export function endOf(error: unknown, upstream: string): StepEnd {
  if (!isSluiceError(error)) throw error;
  // Every change names the owner that it expects: somebody else is it now.
  if (error.code === 'conflict') return { kind: 'taken_over', reason: messageOf(error) };
  if (error.code === 'not_found') return serverRemoved(upstream);
  return failed(error.code, messageOf(error));
}
