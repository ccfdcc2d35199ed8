// What can be said to a release that runs: each with what it does, a reason, and the same as a line for a shell.

import type { CommandKind } from '../../../src/admin/contract.ts';
import type { Action } from '../../actions/action.ts';
import { call } from '../../live/api.ts';
import { session } from '../../live/session.ts';
import { releaseText, told } from './text.ts';

export function owner(): string {
  return `user:${session.peek()?.name || 'me'}`;
}

/** In one word of a shell, whatever is in it. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

export function steering(command: CommandKind, service: string, release: string): Action {
  const text = releaseText();
  const verb = told(text.verbs, command);
  return {
    ...{ title: `${verb}: ${service} ${release}`, verb, typed: service, hasReason: true },
    isBad: command === 'abort' || command === 'abort_now',
    forecast: async ({ reason }) => ({
      level: command === 'abort_now' ? 'type' : 'confirm',
      ...{ refusal: '', facts: [told(text.does, command)], warnings: [] },
      lines: linesOf(command, service, release, reason),
      run: async ({ reason: why }) => {
        const body = { command, owner: owner(), why, release };
        await call('commandRelease', { service, body });
        return { said: text.told2(verb) };
      },
    }),
  };
}

function linesOf(
  command: CommandKind,
  service: string,
  release: string,
  why: string,
): readonly (readonly [string, string])[] {
  const [verb, flag] = command === 'abort_now' ? ['abort', ' --now'] : [command, ''];
  const which = command === 'approve' ? ` ${release}` : '';
  const message = why === '' || command === 'resume' ? '' : ` -m ${quoted(why)}`;
  const body = JSON.stringify({ command, owner: owner(), why, release });
  const token = session.peek()?.required === true ? " -H 'authorization: Bearer …'" : '';
  const url = `${location.origin}/api/releases/${encodeURIComponent(service)}/command`;
  return [
    ['CLI', `sluice ${verb} ${quoted(service)}${which}${flag}${message}`],
    ['curl', `curl -X POST${token} -H 'content-type: application/json' ${url} -d ${quoted(body)}`],
  ];
}
