// Instances that come into an upstream by a release, and those that leave it by one.

import type { ServiceConfig } from '../../config.ts';
import { isInPool } from '../control.ts';
import type { Step } from '../plan.ts';
import type { InstanceSurvey, Survey } from '../survey.ts';
import { beforeStopSteps } from './hooks.ts';

export const NOT_LISTED = 'not in the list of instances any more';

/** What is left of an instance leaves with it: requests, process, record. */
export function retireSteps(
  service: ServiceConfig,
  { process, server, wanted }: InstanceSurvey,
  guard: Step<'guard'>,
): readonly Step[] {
  const { drainTimeoutMs: timeoutMs, drainOnTimeout: onTimeout, stopTimeoutMs } = service;
  const out: readonly Step[] = [guard, { kind: 'drain', timeoutMs, onTimeout, need: guard.need }];
  return [
    ...(server === undefined ? [] : out),
    ...(process === null
      ? []
      : [
          ...beforeStopSteps(service, wanted.cwd, guard.need),
          { kind: 'stop', timeoutMs: stopTimeoutMs, pid: process.pid } as const,
        ]),
    { kind: 'deregister' },
  ];
}

/** The upstream has a registry with records, and the control plane was asked what is in it. */
export function canRegister({ serversIn }: ServiceConfig, { trouble }: Survey): boolean {
  return trouble === null && 'recordPrefix' in serversIn;
}

/** Those that take no traffic first, because releasing them costs nothing; those that leave last. */
export function inOrder(instances: readonly InstanceSurvey[]): readonly InstanceSurvey[] {
  const isFree = (instance: InstanceSurvey): boolean =>
    instance.process === null || instance.server === undefined || !isInPool(instance.server);
  const listed = instances.filter(({ isRetired }) => isRetired !== true);
  // Those that leave go last: by then the others serve.
  return [
    ...listed.filter(isFree),
    ...listed.filter((instance) => !isFree(instance)),
    ...instances.filter(({ isRetired }) => isRetired === true),
  ];
}
