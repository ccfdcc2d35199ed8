// Secrets in what a release writes and shows: an instance may print what it was given.

import { inspect } from 'node:util';

const MASK = '***';
/** Where a text was shortened. */
const CUT = '…';
/** Shorter ones are words that stand in any text. */
const MASKED_LENGTH_MIN = 6;

/** The forms in which a secret is printed: as it is, on one line, each of its lines, and as JSON, URLs, consoles and Basic credentials have it. */
export function formsOf(secret: string): readonly string[] {
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
