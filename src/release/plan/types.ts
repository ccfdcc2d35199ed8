// What a plan is: its steps, what each of them settles, and how each instance is treated. Data only.

import type { ReleaseKind } from '../../admin/contract.ts';
import type { Scope } from '../../base/scope.ts';
import type { ApprovalPoint, HookConfig, VerifyConfig } from '../../config.ts';
import type { LaunchFacts } from '../drivers.ts';
import type { ReleaseProblem } from '../survey.ts';

/** What the plan settles of each kind of step. */
type StepSettings = {
  /** Takes the server out of the pool, atomically with the question whether that is allowed. */
  /** Writes the server's record, and takes it for the release before anybody sends it requests. */
  readonly register: object;
  readonly guard: {
    /** Other servers that must stay eligible; null = nothing to lose, no question. */
    readonly need: number | null;
    readonly waitMs: number;
    /** The ended release that holds the server now; '' = nobody does. */
    readonly takeOver: string;
  };
  readonly drain: {
    readonly timeoutMs: number;
    readonly onTimeout: 'proceed' | 'halt';
    /** As in guard: checked again until the process is told to stop. */
    readonly need: number | null;
  };
  readonly before_stop: HookSettings & { readonly need: number | null };
  readonly stop: { readonly timeoutMs: number; readonly pid: number };
  /** Leads the link `<path>/<link>` to `releases/<release>`. */
  readonly activate: { readonly path: string; readonly link: string; readonly release: string };
  readonly start: LaunchFacts & {
    readonly version: string;
    /** `proven`: the launch in the instance's record, which also has its environment. */
    readonly origin: 'config' | 'proven';
  };
  readonly check: {
    readonly version: string;
    readonly path: string;
    readonly intervalMs: number;
    readonly timeoutMs: number;
    readonly rise: number;
    readonly deadlineMs: number;
    /** It goes on passing for so long. */
    readonly stableMs: number;
    readonly versionHeader: string;
  };
  readonly after_start: HookSettings;
  readonly admit: object;
  /** Removes the server's record and what is known of the instance. */
  readonly deregister: object;
  readonly verify: VerifyConfig & {
    /** The instances that have the old version when this one is in traffic. */
    readonly peers: readonly string[];
    /** As in guard: to take it out again. */
    readonly need: number;
    readonly waitMs: number;
  };
};

/** `cwd`: of one that runs on the host. */
type HookSettings = HookConfig & { readonly cwd: string };

/** What starts a version, and which one. */
export type LaunchAt = LaunchFacts & { readonly version: string };

export type StepKind = keyof StepSettings;

export type Step<Kind extends StepKind = StepKind> = {
  [One in Kind]: { readonly kind: One } & StepSettings[One];
}[Kind];

export type InstancePlan = {
  readonly instance: string;
  /** The version that runs there now; '' when none does. */
  readonly from: string;
  /** Why it is treated this way, for a person. */
  readonly why: string;
  /** `retire`: it is in the list no more, and is taken out, stopped and removed. */
  readonly action: 'release' | 'keep' | 'skip' | 'retire';
  /** Eligible servers while this one is out; null when it takes no traffic anyway. */
  readonly leaves: number | null;
  /** What put it into traffic before: its process at the time of the plan served requests. */
  readonly serving: boolean;
  /** The version that a revert goes back to; '' = there is none, a failed instance is parked. */
  readonly fallback: string;
  /** Why a known one cannot be gone back to, in words; '' when it can. */
  readonly noWayBack: string;
  readonly steps: readonly Step[];
  /** Before its first step the release waits for a person; left out where it does not. */
  readonly approval?: ApprovalPlan;
};

/** It waits for `sluice approve`, at most for so long. */
export type ApprovalPlan = { readonly before: ApprovalPoint; readonly timeoutMs: number };

export type Plan = {
  readonly service: string;
  readonly upstream: string;
  readonly version: string;
  /** Which gateway is asked and counts; null when it did not answer. */
  readonly scope: Scope | null;
  /** The versions found, without repeats; empty when nothing runs. */
  readonly from: readonly string[];
  readonly eligible: number;
  readonly servers: number;
  readonly need: number;
  readonly inFlight: number;
  readonly onFailure: 'revert' | 'park' | 'rollback';
  readonly instances: readonly InstancePlan[];
  /** Why it would be refused; the first one's code is the exit code. */
  readonly problems: readonly ReleaseProblem[];
  /** What a person should know, and what an earlier release left behind. */
  readonly notes: readonly string[];
  /** From the last successful release; 0 = not known. */
  readonly lastTookMs: number;
};

export type PlanOptions = {
  readonly version: string;
  /** Release instances that are at the version already, too. */
  readonly force: boolean;
  /** Let the last eligible server go. */
  readonly allowDowntime: boolean;
  readonly kind?: ReleaseKind;
  /** An unfinished release to go on with, under its name. */
  readonly resume?: string;
  /** Instances that its earlier runner has put into traffic and not verified to the end. */
  readonly unverified?: ReadonlySet<string>;
  /** What somebody has approved while an earlier runner was at work. */
  readonly approved?: ReadonlySet<string>;
};
