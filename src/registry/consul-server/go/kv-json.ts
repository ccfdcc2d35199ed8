// Records as Consul writes them in JSON: field order, base64 values, null for an empty value, Go's
// escapes.

import type { Entry } from '../../embedded.ts';

export function recordJson(record: Entry, withValue = true): string {
  const { content } = record;
  const value = content.length === 0 || !withValue ? 'null' : `"${base64(content)}"`;
  const session = record.session === '' ? '' : `"Session":${goString(record.session)},`;
  return (
    `{"LockIndex":${record.lockIndex},"Key":${goString(record.key)},"Flags":${record.flags},` +
    `"Value":${value},${session}"CreateIndex":${record.createIndex},"ModifyIndex":${record.modifyIndex}}`
  );
}

export function recordsJson(records: readonly Entry[]): string {
  let json = '';
  for (const record of records) json += `${json === '' ? '[' : ','}${recordJson(record)}`;
  return `${json}]`;
}

export function keysJson(keys: readonly string[]): string {
  return `[${keys.map(goString).join(',')}]`;
}

const UNSAFE = /[<>&\u2028\u2029]/;

/** A JSON string as Go's encoder writes it: safe inside HTML. */
export function goString(text: string): string {
  return goJson(text);
}

/** A document as Go's encoder writes it. Members in their order; none may be undefined. */
export function goJson(value: unknown): string {
  const json = JSON.stringify(value);
  if (!UNSAFE.test(json)) return json;
  return json.replace(
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

function base64(content: string | Uint8Array): string {
  if (typeof content === 'string') return Buffer.from(content).toString('base64');
  return Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('base64');
}
