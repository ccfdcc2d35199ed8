// The version of the package, from its package.json: the same file from src/ and from dist/.

import { readFileSync } from 'node:fs';

export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const parsed: unknown = JSON.parse(text);
  const isMap = typeof parsed === 'object' && parsed !== null;
  return isMap && 'version' in parsed ? String(parsed.version) : '0.0.0';
}
