// The environment of an instance. By default it gets what says where and who it is, and nothing else
// of the shell that deploys: a CI job's environment holds secrets, and the ids by which a job server
// ends every process of a job that is over. What an instance needs besides is named in `env` (values,
// or references to them) or in `inherit_env`.
//
// Values behind references (`env:NAME`) are read at each start, also at that of a
// revert. Records, plans, journals and events hold the references alone.

import { inspect } from 'node:util';
import { type Environment, readSecret, type SecretKind } from '../../base/secrets.ts';
import type { Launch } from '../journal/instance-record.ts';

/** PATH is that of the launch. */
const BASE = ['HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TZ', 'TMPDIR'];
/** Never inherited as part of `all`: by these a job server finds what it ends with the job. */
const JOB_MARKS = [
  'BUILD_ID',
  'JENKINS_NODE_COOKIE',
  'JENKINS_SERVER_COOKIE',
  'RUNNER_TRACKING_ID',
];
const MASK = '***';
/** Where a text was shortened. */
const CUT = '…';
/** Shorter ones are words that stand in any text. */
const MASKED_LENGTH_MIN = 6;

const VALUE: SecretKind = {
  name: 'the value',
  form: /^[^\0]*$/,
  problem: 'holds a NUL character',
  lengthMax: 100_000,
};

/** What the instance gets, without what a release adds; `problem` names what is missing. */
export function environmentOf(
  launch: Launch,
  own: Environment = process.env,
): { readonly values: Readonly<Record<string, string>>; readonly problem: string } {
  const { env, inherit, path } = launch;
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined && isInherited(name, inherit)) values[name] = value;
  }
  if (path !== '') values['PATH'] = path;
  for (const [name, text] of Object.entries(env)) {
    const read = isReference(text) ? readSecret(text, own, VALUE) : { value: text };
    if ('problem' in read) return { values: {}, problem: `env.${name}: ${read.problem}` };
    values[name] = read.value;
  }
  return { values, problem: '' };
}

/** The values behind the references, which must not be shown, in every form in which they are printed. */
export function secretsOf(launch: Launch, own: Environment = process.env): readonly string[] {
  return Object.values(launch.env).flatMap((text) => {
    const read = isReference(text) ? readSecret(text, own, VALUE) : { value: '' };
    return 'value' in read ? formsOf(read.value) : [];
  });
}

/** As it is, on one line, each of its lines, and as JSON, URLs, consoles and Basic credentials have it. */
function formsOf(secret: string): readonly string[] {
  const isLong = (form: string): boolean => form.length >= MASKED_LENGTH_MIN;
  if (!isLong(secret)) return [];
  const lines = secret.split(/[\r\n]+/).map((line) => line.trim());
  const whole = [secret, secret.trim(), secret.replace(/\s+/g, ' ').trim(), ...lines].filter(
    isLong,
  );
  const forms = whole.flatMap((form) => [
    form,
    JSON.stringify(form).slice(1, -1),
    inspect(form).slice(1, -1),
    encodeURI(form.toWellFormed()),
    encodeURIComponent(form.toWellFormed()),
    Buffer.from(form).toString('base64').replace(/=+$/, ''),
  ]);
  return [...new Set(forms)];
}

/** The same value with the secrets in its texts replaced. */
export function masked<Value>(value: Value, secrets: ReadonlySet<string>): Value;
export function masked(value: unknown, secrets: ReadonlySet<string>): unknown {
  if (secrets.size === 0) return value;
  // A line of a secret must not break the whole one into pieces that are not known.
  const longestFirst = [...secrets].sort((a, b) => b.length - a.length);
  const mask = (item: unknown): unknown => {
    if (typeof item === 'string') return maskedText(item, longestFirst);
    if (Array.isArray(item)) return item.map(mask);
    if (typeof item !== 'object' || item === null) return item;
    return Object.fromEntries(Object.entries(item).map(([name, inner]) => [name, mask(inner)]));
  };
  return mask(value);
}

function maskedText(text: string, secrets: readonly string[]): string {
  let out = text;
  for (const secret of secrets) out = out.replaceAll(secret, MASK);
  // What quotes a process shortens it, perhaps in the middle of a secret.
  for (const secret of secrets) out = withoutCut(out, secret);
  return out;
}

/** A beginning of the secret where the text ends, or is cut off. */
function withoutCut(text: string, secret: string): string {
  const head = secret.slice(0, MASKED_LENGTH_MIN);
  for (let at = text.indexOf(head); at >= 0; at = text.indexOf(head, at + 1)) {
    const cut = text.indexOf(CUT, at);
    const end = cut === -1 ? text.length : cut;
    if (secret.startsWith(text.slice(at, end))) return text.slice(0, at) + MASK + text.slice(end);
  }
  return text;
}

/** `file:/data/app.db` is none: applications know such values as the addresses of their databases. */
function isReference(text: string): boolean {
  return text.startsWith('env:');
}

function isInherited(name: string, inherit: Launch['inherit']): boolean {
  if (inherit === 'all') return name !== 'SLUICE_TOKEN' && !JOB_MARKS.includes(name);
  return BASE.includes(name) || name.startsWith('LC_') || inherit.includes(name);
}
