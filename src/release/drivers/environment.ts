// The environment of an instance. By default it gets what says where and who it is, and nothing else
// of the shell that deploys: a CI job's environment holds secrets, and the ids by which a job server
// ends every process of a job that is over. What an instance needs besides is named in `env` (values,
// or references to them), in `secrets` (references) or in `inherit_env`.
//
// Values behind references (`env:NAME`, `file:/path`, `cmd:words`) are read at each start, also at that
// of a revert. Records, plans, journals and events hold the references alone.

import { type Environment, isInstanceReference } from '../../base/secrets.ts';
import { resolveReference, seenSecrets } from '../references.ts';

/** What a launch says of the environment; `env` may hold references, and never their values. */
export type LaunchEnvironment = {
  readonly env: Readonly<Record<string, string>>;
  /** Variables of the runner's own environment that it gets besides the usual few. */
  readonly inherit: readonly string[] | 'all';
  /** The PATH; '' = none is given. */
  readonly path: string;
};

type Values = { readonly values: Readonly<Record<string, string>>; readonly problem: string };

/** PATH is that of the launch. */
const BASE = ['HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TZ', 'TMPDIR'];
/** Never inherited as part of `all`: by these a job server finds what it ends with the job. */
const JOB_MARKS = [
  'BUILD_ID',
  'JENKINS_NODE_COOKIE',
  'JENKINS_SERVER_COOKIE',
  'RUNNER_TRACKING_ID',
];

/** What the instance gets, without what a release adds; `problem` names what is missing. */
export async function environmentOf(
  launch: LaunchEnvironment,
  options: {
    readonly own?: Environment;
    /** Where it is started: the usual few are from there. Default: `own`. */
    readonly base?: Environment;
    readonly isFresh?: boolean;
  } = {},
): Promise<Values> {
  const { env, inherit, path } = launch;
  const values: Record<string, string> = {};
  const { own: runner = process.env, base = runner } = options;
  for (const [name, value] of Object.entries(runner)) {
    if (value === undefined || isBase(name)) continue;
    if (isInherited(name, inherit)) values[name] = value;
  }
  for (const [name, value] of Object.entries(base)) {
    if (value !== undefined && isBase(name)) values[name] = value;
  }
  if (path !== '') values['PATH'] = path;
  const own = await valuesOf(env, options);
  return own.problem === '' ? { values: { ...values, ...own.values }, problem: '' } : own;
}

/** `env` alone, with its references resolved. */
export async function valuesOf(
  env: LaunchEnvironment['env'],
  options: { readonly own?: Environment; readonly isFresh?: boolean } = {},
): Promise<Values> {
  const values: Record<string, string> = {};
  for (const [name, text] of Object.entries(env)) {
    const read = isInstanceReference(text)
      ? await resolveReference(text, options)
      : { value: text };
    if ('problem' in read) return { values: {}, problem: `env.${name}: ${read.problem}` };
    values[name] = read.value;
  }
  return { values, problem: '' };
}

/** The values behind the references, now and before, in every form in which they are printed. */
export async function secretsOf(
  env: LaunchEnvironment['env'],
  own: Environment = process.env,
): Promise<readonly string[]> {
  const texts = Object.values(env).filter(isInstanceReference);
  await Promise.all(texts.map((text) => resolveReference(text, { own })));
  return texts.flatMap(seenSecrets);
}

function isInherited(name: string, inherit: LaunchEnvironment['inherit']): boolean {
  if (inherit === 'all') return name !== 'SLUICE_TOKEN' && !JOB_MARKS.includes(name);
  return isBase(name) || inherit.includes(name);
}

function isBase(name: string): boolean {
  return BASE.includes(name) || name.startsWith('LC_');
}
