// What a release says while it runs: one stream of plain events, from which the live table, the
// lines of a CI log and the NDJSON of `--json` are all made. Also what it says at the end.

import type { ReleaseKind } from '../admin/contract.ts';
import type { ErrorCode } from '../base/errors.ts';
import type { Scope } from '../base/scope.ts';
import type { ApprovalPoint } from '../config.ts';
import type { Receipt } from './control.ts';
import type { ReleasePoint } from './hooks.ts';
import type { Plan, StepKind } from './plan.ts';

/** Facts of an event in the order in which they are printed; names are snake_case words. */
export type Facts = Readonly<Record<string, string | number | boolean>>;

/**
 * How one instance came out of it. `failed` is followed by `reverted`, `parked` or `stuck`; the
 * latter is left half-way, for the next release. `untouched`: as it was before.
 */
export type InstanceOutcome =
  | 'released'
  | 'stopped'
  | 'kept'
  | 'skipped'
  | 'failed'
  | 'reverted'
  | 'parked'
  | 'stuck'
  | 'retired'
  | 'untouched';

type Happening =
  | { readonly type: 'plan'; readonly plan: Plan }
  | { readonly type: 'note'; readonly instance: string; readonly text: string }
  | {
      /** What is done for all instances together, hooks too; before the lock is taken, `release` is ''. */
      readonly type: 'prepare';
      readonly part: 'build' | 'test' | 'scan' | 'artifact' | 'upload' | 'prune' | ReleasePoint;
      /** The command, the file, the host. */
      readonly subject: string;
      readonly phase: 'start' | 'output' | 'wait' | 'done' | 'failed';
      /** Since its start. */
      readonly ms: number;
      /** A line of output, or why it failed. */
      readonly text: string;
      readonly data: Facts;
    }
  | {
      readonly type: 'step';
      readonly instance: string;
      readonly step: StepKind;
      /** `output`: a line that the step's command printed, in `data.line`. */
      readonly phase: 'start' | 'output' | 'wait' | 'done' | 'failed';
      /** Since the step's start. */
      readonly ms: number;
      /** True while the old version is being brought back. */
      readonly revert: boolean;
      readonly data: Facts;
    }
  | {
      /** The release waits for a person, or that is over. */
      readonly type: 'approval';
      /** As the configuration calls it. */
      readonly before: ApprovalPoint;
      readonly phase: 'wait' | 'given' | 'missing';
      /** Since it began to wait. */
      readonly ms: number;
      /** ISO 8601; then it ends. */
      readonly until: string;
      /** Of `given`: who, and why; '' when nothing was said. */
      readonly by: string;
      readonly why: string;
      /** Of `missing`: why it is not waited for any more. */
      readonly reason: string;
    }
  | {
      readonly type: 'instance';
      readonly instance: string;
      readonly outcome: InstanceOutcome;
      readonly ms: number;
      readonly text: string;
    }
  | {
      readonly type: 'traffic';
      readonly eligible: number;
      readonly servers: number;
      readonly requests: number;
      readonly retried: number;
      readonly cut: number;
      readonly lost: number;
      /** Which gateway counted. */
      readonly scope: Scope;
    }
  | { readonly type: 'result'; readonly result: ReleaseResult };

export type ReleaseEvent = {
  /** The version of this format. */
  readonly v: 1;
  readonly ts: string;
  readonly service: string;
  readonly release: string;
} & Happening;

/** An event without what all events share. */
export type EventBody = Happening;

/** One instance at the end, as it was seen then. */
export type InstanceResult = {
  readonly instance: string;
  /** The version that answers; '' when nothing does, or another process. */
  readonly version: string;
  /** The process that has the port although no release started it; '' when none does. */
  readonly stranger: string;
  readonly inPool: boolean;
  /** `in pool`, `out of the pool: maint by release:r7`, `pool not known`. */
  readonly pool: string;
  readonly outcome: InstanceOutcome;
  readonly note: string;
  /** Since the version was put into traffic there; null when it was not, or nobody counted. */
  readonly answers: {
    /** Those that were answered or failed by the instance. */
    readonly requests: number;
    /** Of those, answered with 5xx or failed. */
    readonly errors: number;
  } | null;
};

/** What was counted, and whether that is all of it. */
export type ReleaseReceipt = Receipt & {
  /** False: the count ends before the release does. */
  readonly complete: boolean;
  /** Why and since when it is not complete; '' when it is. */
  readonly missing: string;
};

export type ReleaseResult = {
  readonly release: string;
  readonly service: string;
  readonly version: string;
  readonly outcome:
    | 'succeeded'
    | 'unchanged'
    | 'failed'
    | 'rolled_back'
    | 'interrupted'
    | 'aborted'
    | 'refused';
  readonly kind: ReleaseKind;
  readonly code: ErrorCode | 'interrupted' | '';
  /** Of the process; see docs/release.md. */
  readonly exit: number;
  /** What went wrong, one line; '' when nothing did. */
  readonly reason: string;
  /** The last probe and the last lines of the instance's log. */
  readonly evidence: readonly string[];
  readonly instances: readonly InstanceResult[];
  /** Null when no traffic was watched: nothing was done, or no receipt could be opened. */
  readonly receipt: ReleaseReceipt | null;
  /** What speaks against the version on instances that were released all the same, in words. */
  readonly doubts: readonly string[];
  readonly next: readonly string[];
  /** Which gateway was asked; null when none answered. */
  readonly scope: Scope | null;
  readonly ms: number;
};
