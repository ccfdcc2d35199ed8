// The hooks of an instance, as steps of the plan.

import type { ServiceConfig } from '../../config.ts';
import type { Step } from '../plan.ts';

/** `cwd`: of one that runs on the host. */
export function beforeStopSteps(
  { hooks }: ServiceConfig,
  cwd: string,
  need: number | null,
): readonly Step[] {
  const { beforeStop } = hooks;
  return beforeStop === null ? [] : [{ kind: 'before_stop', ...beforeStop, cwd, need }];
}

export function afterStartSteps({ hooks }: ServiceConfig, cwd: string): readonly Step[] {
  return hooks.afterStart === null ? [] : [{ kind: 'after_start', ...hooks.afterStart, cwd }];
}
