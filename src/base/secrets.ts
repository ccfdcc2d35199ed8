// Secrets by reference: `env:NAME` and `file:/path`. A secret's value never appears in an error.

import { readFileSync } from 'node:fs';
import { messageOf, systemCode } from './errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

type Secret = { readonly value: string } | { readonly problem: string };

export type SecretKind = {
  readonly name: string;
  readonly form: RegExp;
  readonly problem: string;
  /** Default: 4096. */
  readonly lengthMax?: number;
};

const TOKEN: SecretKind = {
  name: 'the secret',
  form: /^[\x21-\x7e]+$/,
  problem: 'is empty or holds blanks or non-ASCII characters; write a token without them',
};

/** `Bearer abc`: blanks are fine. */
export const FIELD_VALUE: SecretKind = {
  name: 'the value',
  form: /^[\t\x20-\x7e\x80-\xff]*$/,
  problem: 'holds line ends or characters beyond latin1; a field value is one line',
};

const LENGTH_MAX = 4096;
const SHOWN_MAX = 60;

/** The secret that `text` is or refers to. A file's first line counts; `''` when there is none. */
export function readSecret(
  text: string | undefined,
  environment: Environment,
  kind: SecretKind = TOKEN,
): Secret {
  if (text === undefined) return { value: '' };
  const malformed = referenceProblem(text);
  if (malformed !== '') return { problem: malformed };
  if (text.startsWith('env:')) {
    const name = text.slice('env:'.length);
    const value = environment[name];
    if (value === undefined || value === '') {
      const what = value === undefined ? 'not set' : 'empty';
      return { problem: `environment variable ${name} is ${what}; set it, or remove this key` };
    }
    return checked(value, `environment variable ${name}`, kind);
  }
  if (text.startsWith('file:')) {
    const file = text.slice('file:'.length);
    try {
      return checked(readFileSync(file, 'utf8').split(/\r?\n/, 1)[0] ?? '', file, kind);
    } catch (error) {
      const cause =
        systemCode(error) === 'ENOENT' ? 'does not exist' : `cannot be read (${messageOf(error)})`;
      return { problem: `${file} ${cause}; create it with the secret as its first line` };
    }
  }
  return checked(text, kind.name, kind);
}

/** Why a reference cannot be one, whatever the environment is; '' of what is none, too. */
export function referenceProblem(text: string): string {
  if (text.startsWith('env:') && !/^env:[A-Za-z_]\w*$/.test(text)) {
    return `${quoted(text)} does not name a variable; write env:NAME`;
  }
  if (text.startsWith('file:') && !text.startsWith('file:/')) {
    return `${quoted(text)} is not absolute; write file:/path`;
  }
  return '';
}

/**
 * True of a value in an instance's environment that stands for another. `file:///data/app.db` and
 * `file:./dev.db` do not: applications know them as addresses of databases.
 */
export function isInstanceReference(text: string): boolean {
  return /^(?:env:|cmd:|file:\/(?!\/))/.test(text);
}

/** As `referenceProblem`, of such a value. */
export function instanceReferenceProblem(text: string): string {
  if (text.startsWith('cmd:') && text.slice('cmd:'.length).trim() === '') {
    return '"cmd:" names no command; write cmd:program word word';
  }
  return text.startsWith('env:') ? referenceProblem(text) : '';
}

/** Short, and on one line. */
function quoted(text: string): string {
  const shown = JSON.stringify(text);
  return shown.length > SHOWN_MAX ? `${shown.slice(0, SHOWN_MAX - 3)}…` : shown;
}

/** It becomes a header value, so it must be able to be one. */
function checked(value: string, source: string, kind: SecretKind): Secret {
  const { lengthMax = LENGTH_MAX } = kind;
  if (value.length > lengthMax) {
    return { problem: `${source} is longer than ${lengthMax} characters; shorten it` };
  }
  if (kind.form.test(value)) return { value };
  return { problem: `${source} ${kind.problem}` };
}
