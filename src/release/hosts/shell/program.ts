// A command as a script of a shell: what is looked at before it runs, what it is called by, and what the
// shell leaves in its environment.

import type { systemCode } from '../../../base/errors.ts';
import type { Command } from '../host.ts';
import { q } from './quote.ts';
import { type Program, REFUSED } from './scripts.ts';

/** The arguments of EXISTS. */
export function existsWords({ cwd, file, env }: Command): readonly string[] {
  return [cwd, file, env['PATH'] ?? ''];
}

/** The program, called by its own name where that leads to the same file, and its words. */
export function programOf({ file, args, name = file }: Command): Program {
  const words = ['"$1"', ...args.map(q)].join(' ');
  if (name === file) return { choose: `set -- ${q(file)}`, words };
  const choose = `set -- ${q(file)} ${q(name)}
case $2 in */*) ;; *) set -- "$1" "$(command -v "$2")";; esac
[ "$2" -ef "$1" ] && set -- "$2"`;
  return { choose, words };
}

/** @throws as the system does, where EXISTS has refused it */
export function notRefused<End extends { readonly code: number | null; readonly stderr: string }>(
  { file }: Command,
  end: End,
): End {
  const word = /\x1e([A-Z]+)/.exec(end.stderr)?.[1];
  if (end.code !== REFUSED || word === undefined) return end;
  const code: ReturnType<typeof systemCode> = word;
  throw Object.assign(new Error(`${file}: ${code}`), { code });
}
