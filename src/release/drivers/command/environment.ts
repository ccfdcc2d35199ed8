// The environment of an instance. By default it gets what says where and who it is, and nothing else
// of the shell that deploys: a CI job's environment holds secrets, and the ids by which a job server
// ends every process of a job that is over. What an instance needs besides is named in `env` (values,
// or references to them) or in `inherit_env`.
//
// Values behind references (`env:NAME`) are read at each start, also at that of a
// revert. Records, plans, journals and events hold the references alone.

import { type Environment, readSecret, type SecretKind } from '../../../base/secrets.ts';
import { formsOf } from '../../masking.ts';
import type { CommandLaunch } from './command-launch.ts';

/** PATH is that of the launch. */
const BASE = ['HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TZ', 'TMPDIR'];
/** Never inherited as part of `all`: by these a job server finds what it ends with the job. */
const JOB_MARKS = [
  'BUILD_ID',
  'JENKINS_NODE_COOKIE',
  'JENKINS_SERVER_COOKIE',
  'RUNNER_TRACKING_ID',
];

const VALUE: SecretKind = {
  name: 'the value',
  form: /^[^\0]*$/,
  problem: 'holds a NUL character',
  lengthMax: 100_000,
};

/** What the instance gets, without what a release adds; `problem` names what is missing. */
export function environmentOf(
  launch: CommandLaunch,
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
export function secretsOf(
  launch: CommandLaunch,
  own: Environment = process.env,
): readonly string[] {
  return Object.values(launch.env).flatMap((text) => {
    const read = isReference(text) ? readSecret(text, own, VALUE) : { value: '' };
    return 'value' in read ? formsOf(read.value) : [];
  });
}

/** `file:/data/app.db` is none: applications know such values as the addresses of their databases. */
function isReference(text: string): boolean {
  return text.startsWith('env:');
}

function isInherited(name: string, inherit: CommandLaunch['inherit']): boolean {
  if (inherit === 'all') return name !== 'SLUICE_TOKEN' && !JOB_MARKS.includes(name);
  return BASE.includes(name) || name.startsWith('LC_') || inherit.includes(name);
}
