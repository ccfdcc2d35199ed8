// A change of a record as a line of a shell.

import { type KvEffectQuestion, requestOf } from '../../admin.ts';
import { curlOf, shellWord } from '../effect.ts';

export type LineQuestion = KvEffectQuestion & {
  readonly index: number;
  readonly count: number;
  readonly control: string;
  readonly isClosed: boolean;
  /** The section `registry` is meant when none is named. */
  readonly isDefault: boolean;
};

export function recordCli(question: LineQuestion): string {
  const { registry, key, value, remove, index, isDefault } = question;
  const options = [
    ...(remove === 'prefix' ? ['--recurse', '--yes'] : ['--cas', String(index)]),
    ...(isDefault ? [] : ['--registry', registry]),
  ];
  const names = remove === '' ? [key, value] : [key];
  // What begins with a dash would be taken for an option, or for standard input.
  const isPlain = names.every((name) => !name.startsWith('-'));
  const words = isPlain ? [...names, ...options] : [...options, '--', ...names];
  return ['sluice', 'kv', remove === '' ? 'put' : 'rm', ...words.map(shellWord)].join(' ');
}

export function recordCurl(question: LineQuestion): string {
  const { registry, key, value, remove, index, count } = question;
  const place = { registry, key, index, force: false };
  const request =
    remove === ''
      ? requestOf('kvWrite', { body: { ...place, value } })
      : requestOf('kvRemove', { body: { ...place, prefix: remove === 'prefix', count } });
  return curlOf(request, question);
}
