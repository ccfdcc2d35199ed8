// Why an instance is treated as it is, for a person.

import type { PoolServer } from '../control.ts';
import type { InstanceSurvey, Survey } from '../survey.ts';

/** Why nothing is sent to a running instance, or why nobody can say whether something is. */
export function absence({ server, left }: InstanceSurvey, { trouble }: Survey): string {
  if (left !== '') return `takes no traffic (${left})`;
  if (server !== undefined) return `takes no traffic (${server.eligibility})`;
  if (trouble === null) return 'takes no traffic (not in the upstream)';
  return trouble.code === 'preflight_failed'
    ? 'takes no traffic (no such upstream)'
    : 'pool not known: gateway cannot be asked';
}

/** Who keeps the release away from this server, in words; '' when it may be touched. */
export function holder(server: PoolServer, left: string): string {
  const { state, owner, reason } = server.admin;
  if (state === 'ready' || left !== '') return '';
  return `in ${state} by ${owner === '' ? 'somebody' : owner}${reason === '' ? '' : `: ${reason}`}`;
}
