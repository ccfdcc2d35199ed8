// The steps of a release: one file each, in one table. A step gets its settings from the plan and the
// instance's state from the run, and says how it ended as a value (step-end.ts); what that means is
// decided by the run. Adding a step: its settings in plan.ts, its file, a line here.

import type { Facts } from './events.ts';
import type { Step, StepKind } from './plan.ts';
import type { InstanceRun } from './run.ts';
import { endOf, type StepEnd } from './step-end.ts';
import { activate } from './steps/activate.ts';
import { admit } from './steps/admit.ts';
import { check } from './steps/check.ts';
import { deregister } from './steps/deregister.ts';
import { drain } from './steps/drain.ts';
import { guard } from './steps/guard.ts';
import { afterStart, beforeStop } from './steps/hook.ts';
import { register } from './steps/register.ts';
import { start } from './steps/start.ts';
import { stop } from './steps/stop.ts';
import { verify } from './steps/verify.ts';

export { claimOn, takenOut } from './steps/claim.ts';

/** What one kind of step is. */
export type StepDefinition<Kind extends StepKind> = {
  /** What is worth saying when it begins. */
  readonly facts: (step: Step<Kind>) => Facts;
  /** Errors of the control plane and of the disk may be thrown; see `endOf`. */
  readonly run: (step: Step<Kind>, run: InstanceRun) => Promise<StepEnd>;
  /** From its start on the instance is not what it was: putting the server back undoes nothing. */
  readonly touches: boolean;
};

const STEPS: { readonly [Kind in StepKind]: StepDefinition<Kind> } = {
  register,
  guard,
  drain,
  before_stop: beforeStop,
  stop,
  activate,
  start,
  check,
  after_start: afterStart,
  admit,
  verify,
  deregister,
};

export async function runStep<Kind extends StepKind>(
  step: Step<Kind>,
  run: InstanceRun,
): Promise<StepEnd> {
  try {
    return await STEPS[step.kind].run(step, run);
  } catch (error) {
    return endOf(error, run.service.upstream);
  }
}

export function startFacts<Kind extends StepKind>(step: Step<Kind>): Facts {
  return STEPS[step.kind].facts(step);
}

export function touches({ kind }: Step): boolean {
  return STEPS[kind].touches;
}
