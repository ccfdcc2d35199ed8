// What zod found, as problems with positions. One problem per unknown key, with the nearest known
// one; a path that ends in a missing key says so.

import type { z } from 'zod';
import { didYouMean } from '../base/suggest.ts';
import type { ConfigDocument, ConfigProblem } from './document.ts';

export function problemsOfIssues(
  issues: readonly z.core.$ZodIssue[],
  document: ConfigDocument,
): ConfigProblem[] {
  return issues.flatMap((issue) => {
    // zod allows symbols in paths; YAML has none.
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
    if (issue.code !== 'unrecognized_keys') {
      const isMissing = valueAt(document.data, path) === undefined;
      const message = isMissing ? 'is missing; write it' : issue.message;
      return [document.problemAt(path, message)];
    }
    // The schema's message for unknown keys is the list of known ones; see section() there.
    const known = issue.message.split(' ');
    return issue.keys.map((key) =>
      document.problemAt([...path, key], `unknown key; ${didYouMean(key, known)}`, 'key'),
    );
  });
}

function valueAt(data: unknown, path: readonly (string | number)[]): unknown {
  let value: unknown = data;
  for (const step of path) {
    // `127.0.0.1:80` in place of a map: the value is there, as text.
    if (typeof value !== 'object' || value === null) return value;
    if (!Object.hasOwn(value, step)) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}
