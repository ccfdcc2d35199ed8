// Texts with placeholders: `{port}`, `{version}`.

import { didYouMean } from '../../base/suggest.ts';
import type { Path } from '../document.ts';
import type { Findings } from './upstreams.ts';

const PLACEHOLDERS = ['version', 'host', 'port', 'id', 'service'];

export function checkTemplate(template: string, path: Path, findings: Findings): void {
  for (const [, word] of template.matchAll(/\{([a-z_]+)\}/g)) {
    if (word === undefined || PLACEHOLDERS.includes(word)) continue;
    findings.problem(path, `{${word}} is not filled in; ${didYouMean(word, PLACEHOLDERS)}`);
  }
}
