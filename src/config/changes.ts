// Where two files differ, key by key, as a person would say it. Values of secrets are not shown; references to
// them are.

import { isDeepStrictEqual } from 'node:util';
import { formatPath, type Path } from './document.ts';

/** `path` as in messages about the file; '' = the key is not there. */
export type DocumentChange = { readonly path: string; readonly from: string; readonly to: string };

const SHOWN_MAX = 80;
/** Whatever is below such a key may be a secret, or hold one: tokens, a webhook's URL, an instance's environment. */
const HIDDEN = /token|secret|passw|passphrase|credential|webhook|^(env|url|headers?|fields)$/i;
const REFERENCE = /^(env|file):/;

export function documentChanges(
  last: Readonly<Record<string, unknown>>,
  next: Readonly<Record<string, unknown>>,
): readonly DocumentChange[] {
  const changes: DocumentChange[] = [];
  compare(last, next, [], changes);
  return changes;
}

function compare(last: unknown, next: unknown, path: Path, changes: DocumentChange[]): void {
  if (isDeepStrictEqual(last, next)) return;
  if (isMap(last) && isMap(next)) {
    for (const key of new Set([...Object.keys(last), ...Object.keys(next)])) {
      compare(own(last, key), own(next, key), [...path, key], changes);
    }
  } else if (isTexts(last) && isTexts(next)) {
    // Addresses, names: one that comes or goes does not make the others behind it others.
    const at = formatPath(path);
    const show = (text: string): string => shown(text, path);
    for (const text of last) {
      if (!next.includes(text)) changes.push({ path: at, from: show(text), to: '' });
    }
    for (const text of next) {
      if (!last.includes(text)) changes.push({ path: at, from: '', to: show(text) });
    }
    if (last.toSorted().join() === next.toSorted().join()) {
      changes.push({ path: at, from: shown(last, path), to: shown(next, path) });
    }
  } else if (Array.isArray(last) && Array.isArray(next)) {
    for (let index = 0; index < Math.max(last.length, next.length); index += 1) {
      compare(last[index], next[index], [...path, index], changes);
    }
  } else changes.push({ path: formatPath(path), from: shown(last, path), to: shown(next, path) });
}

function shown(value: unknown, path: Path): string {
  if (value === undefined) return '';
  const isHidden = path.some((step) => typeof step === 'string' && HIDDEN.test(step));
  if (isHidden && !(typeof value === 'string' && REFERENCE.test(value))) return '(not shown)';
  // A section as a whole, new or gone: it may hold secrets further down.
  const text = JSON.stringify(value, (key, inner: unknown) => (HIDDEN.test(key) ? '…' : inner));
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function own(map: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}
