// Records as Consul writes them in JSON: field order, base64 values, null for an empty value, Go's
// escapes. The text of a record is made once and kept with it.

import type { KvEntry } from '../record-store.ts';

const texts = new WeakMap<KvEntry, string>();
/** Longer texts are made anew each time rather than held twice in memory. */
const TEXT_KEPT_MAX = 2048;

export function recordJson(record: KvEntry, withValue = true): string {
  const kept = withValue ? texts.get(record) : undefined;
  if (kept !== undefined) return kept;
  const { value } = record;
  const base64 =
    value.length === 0 || !withValue ? 'null' : `"${asBuffer(value).toString('base64')}"`;
  const text =
    `{"LockIndex":${record.lockIndex},"Key":${goString(record.key)},"Flags":${record.flags},` +
    `"Value":${base64},"CreateIndex":${record.createIndex},"ModifyIndex":${record.modifyIndex}}`;
  if (withValue && text.length <= TEXT_KEPT_MAX) texts.set(record, text);
  return text;
}

export function recordsJson(records: readonly KvEntry[]): string {
  return `[${records.map((record) => recordJson(record)).join(',')}]`;
}

export function keysJson(keys: readonly string[]): string {
  return `[${keys.map(goString).join(',')}]`;
}

/** A JSON string as Go's encoder writes it: safe inside HTML. */
export function goString(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The same document over several lines with an indent of four, as `?pretty` gives it. */
export function prettyJson(compact: string): string {
  let out = '';
  let depth = 0;
  let quoted = false;
  const line = (): string => `\n${'    '.repeat(depth)}`;
  for (let at = 0; at < compact.length; at++) {
    const character = compact.charAt(at);
    if (quoted) {
      out += character;
      if (character === '\\') out += compact.charAt(++at);
      else if (character === '"') quoted = false;
    } else if (character === '"') {
      quoted = true;
      out += character;
    } else if (character === '{' || character === '[') {
      const closing = compact.charAt(at + 1);
      if (closing === '}' || closing === ']') {
        out += character + closing;
        at++;
      } else {
        depth++;
        out += character + line();
      }
    } else if (character === '}' || character === ']') {
      depth--;
      out += line() + character;
    } else if (character === ',') out += character + line();
    else out += character === ':' ? ': ' : character;
  }
  return `${out}\n`;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
