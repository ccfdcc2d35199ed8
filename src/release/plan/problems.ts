// What speaks against a plan, so that a deploy is refused before anything is touched. Pure.

import type { ErrorCode } from '../../base/errors.ts';
import { versionProblem } from '../../base/version-name.ts';
import type { ServiceConfig } from '../../config.ts';
import { locked } from '../journal/history.ts';
import type { InstancePlan, PlanOptions } from '../plan.ts';
import type { ReleaseProblem, Survey } from '../survey.ts';
import { canRegister } from './membership.ts';

/** Why a deploy would be refused; the first one's code is its exit code. */
export function problemsOf(
  service: ServiceConfig,
  found: Survey,
  plans: readonly InstancePlan[],
  { version, kind }: PlanOptions,
): readonly ReleaseProblem[] {
  const problems: ReleaseProblem[] = [];
  const say = (code: ErrorCode, message: string): void => {
    problems.push({ code, message });
  };
  const wrong = kind === 'stop' ? '' : versionProblem(version);
  if (wrong !== '') say('preflight_failed', wrong);
  const [last] = found.history;
  if (last !== undefined && !last.over) {
    const { code, message } = locked(service, last);
    problems.push({ code, message });
  }
  if (found.trouble !== null) problems.push(found.trouble);
  for (const instance of found.instances) {
    const { id, address, stranger, trouble } = instance;
    // Once for all instances of a host.
    if (trouble !== '' && !problems.some(({ message }) => message === trouble)) {
      say('preflight_failed', trouble);
    }
    if (instance.isRetired === true) continue;
    if (found.trouble === null && instance.server === undefined && !canRegister(service, found)) {
      say(
        'preflight_failed',
        `instance ${id}: upstream "${service.upstream}" has no such server; ${addAdvice(service, id)}`,
      );
    }
    if (stranger !== '') {
      say(
        'preflight_failed',
        `instance ${id}: port ${address.port} is held by ${stranger}; ${strangerAdvice(service)}`,
      );
    }
    const plan = plans.find((candidate) => candidate.instance === id);
    const starts = plan?.steps.some((step) => step.kind === 'start') === true;
    if (starts && instance.launchProblem !== '') {
      say(
        'preflight_failed',
        `instance ${id}: ${instance.launchProblem}; see services.${service.name}`,
      );
    }
  }
  if (plans.some(({ approval }) => approval !== undefined) && found.isAlone === true) {
    say(
      'preflight_failed',
      `service "${service.name}": nobody could approve it, because the gateway has no registry that it can write; see "registry", or take "approve" out of services.${service.name}`,
    );
  }
  const isKnown = found.instances.every(({ isUnknown }) => isUnknown !== true);
  if (plans.every((plan) => plan.action === 'skip') && found.trouble === null && isKnown) {
    say(
      'preflight_failed',
      `service "${service.name}": every instance is held by somebody; ${UNDRAIN}`,
    );
  }
  problems.push(...guardProblem(service, found, plans));
  return problems;
}

/** What puts a server into the upstream. */
export function addAdvice({ serversIn }: ServiceConfig, id: string): string {
  if ('place' in serversIn) return `add it to ${serversIn.place}`;
  const key = `${serversIn.recordPrefix}${id}`;
  const word = /^[\w./:@%+,[\]-]+$/.test(key) && !key.includes('[') ? key : `'${key}'`;
  return `add it with: sluice kv put ${word} '{"weight":1}'`;
}

const UNDRAIN = 'see "sluice status", then "sluice undrain"';

/** A guard that no amount of waiting satisfies: even with every server well there are too few. */
function guardProblem(
  service: ServiceConfig,
  found: Survey,
  plans: readonly InstancePlan[],
): readonly ReleaseProblem[] {
  const joining = plans.filter(({ steps }) => steps.some(({ kind }) => kind === 'register'));
  const servers = found.servers.length + joining.length;
  const others = servers - 1;
  for (const plan of plans) {
    const guard = plan.steps.find((step) => step.kind === 'guard');
    if (guard?.need == null || others >= guard.need) continue;
    const message =
      `instance ${plan.instance}: taking it out leaves ${others} of ${servers} servers ` +
      `in upstream "${service.upstream}" (need ${guard.need}); add an instance, or accept the gap ` +
      `with --allow-downtime`;
    return [{ code: 'guard_refused', message }];
  }
  return [];
}

/** What the drivers of those that are started want a person to know; each once. */
export function warningsOf(found: Survey, plans: readonly InstancePlan[]): readonly string[] {
  const starting = plans.filter(({ steps }) => steps.some(({ kind }) => kind === 'start'));
  const ids = new Set(starting.map(({ instance }) => instance));
  const theirs = found.instances.filter(({ id }) => ids.has(id));
  return [...new Set(theirs.flatMap(({ warnings }) => warnings))];
}

/** The ways on that harm nobody. */
export function strangerAdvice(service: ServiceConfig): string {
  return (
    `it is not known as started by a release kept in ${service.runDir} (a start command that goes into ` +
    'the background and clears its environment leaves such a one), and it may serve requests: leave it; ' +
    'deploy from the checkout (its state_dir) and as the user that started it, or give the instance ' +
    `another port in services.${service.name}.instances`
  );
}
