// What `sluice` is called with, for the gateway itself and as a line for a person's shell; and what its end means.

import type { StartRequest } from '../../admin.ts';
import { type ErrorCode, isErrorCode, SluiceError } from '../../base/errors.ts';
import { shellWord } from '../effect.ts';

/** Without the options that say how it is shown. */
export function startWords(service: string, request: StartRequest): readonly string[] {
  const { kind, version, why, force, allowDowntime, skipBuild } = request;
  const message = why === '' ? [] : [`--message=${why}`];
  const downtime = allowDowntime ? ['--allow-downtime'] : [];
  switch (kind) {
    case 'deploy':
      return [
        ...['deploy', service, ...(version === '' ? [] : ['--version', version])],
        ...[...(force ? ['--force'] : []), ...downtime, ...(skipBuild ? ['--skip-build'] : [])],
        ...message,
      ];
    case 'rollback':
      return [
        ...['rollback', service, ...(version === '' ? [] : ['--to', version])],
        ...[...downtime, ...message],
      ];
    case 'resume':
      return ['resume', service];
  }
}

export function planWords(
  service: string,
  { kind, version }: { readonly kind: 'deploy' | 'rollback'; readonly version: string },
): readonly string[] {
  const named = version === '' ? [] : ['--version', version];
  return ['plan', service, ...(kind === 'rollback' ? ['--rollback'] : []), ...named];
}

export function outputWords(service: string, instance: string, last: number): readonly string[] {
  return ['logs', service, instance, '--last', String(last)];
}

export function cliOf(words: readonly string[]): string {
  return ['sluice', ...words.map(shellWord)].join(' ');
}

/** Codes that a caller can do something about; the rest is a conflict, in its own words. */
const SAID: ReadonlySet<ErrorCode> = new Set([
  ...(['not_found', 'preflight_failed', 'locked', 'guard_refused', 'timeout'] as const),
]);
const BY_EXIT: ReadonlyMap<number, ErrorCode> = new Map([
  [3, 'preflight_failed'],
  [4, 'locked'],
  [5, 'guard_refused'],
]);
const TEXT_LENGTH_MAX = 4000;

/** Of a run that ended before it had done anything; `text` is what it said on standard error. */
export function refusalOf(
  service: string,
  { exit, text }: { readonly exit: number; readonly text: string },
): SluiceError {
  const known = errorIn(text);
  const said = known?.message ?? text.replace(/^sluice: /gm, '').trim();
  const message = said === '' ? `service "${service}": sluice ended with exit code ${exit}` : said;
  const code = known?.code ?? BY_EXIT.get(exit) ?? 'conflict';
  return new SluiceError(SAID.has(code) ? code : 'conflict', message.slice(0, TEXT_LENGTH_MAX), {
    details: { exit },
  });
}

/** The object that a verb with --json ends with. */
function errorIn(text: string): { readonly code: ErrorCode; readonly message: string } | undefined {
  const line = text.trim().split('\n').at(-1) ?? '';
  try {
    const value: unknown = JSON.parse(line);
    const error = new Map<string, unknown>(
      Object.entries(new Map<string, unknown>(Object.entries(value ?? {})).get('error') ?? {}),
    );
    const [code, message] = [error.get('code'), error.get('message')];
    if (typeof code !== 'string' || !isErrorCode(code)) return undefined;
    return typeof message === 'string' ? { code, message } : undefined;
  } catch {
    // Text for people.
    return undefined;
  }
}
