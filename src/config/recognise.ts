// Is the file one of ours at all? A wrong name after -c hands us another program's file, a log or
// worse. Then one sentence is said, and nothing of what is in the file.

import { nearest } from '../base/suggest.ts';
import { foreignWord } from './foreign-words.ts';

/** Below this a file may be a first try with a wrong word; its key deserves an answer. */
const KEYS_LEAST = 3;

const KINDS: readonly (readonly [form: RegExp, name: string])[] = [
  [/^\s*(events|http|stream|server|upstream\s+\S+|location\s+.*?)\s*\{/m, 'one of nginx'],
  [/^\s*(listen|server_name|proxy_pass|worker_processes|user)\s[^\n]*;\s*$/m, 'one of nginx'],
  [/^\[(Unit|Service|Install)\]/m, 'a unit of systemd'],
  [/^(frontend|backend|defaults|global)(\s+\S+)?\s*$/m, 'one of HAProxy'],
  [/^apiVersion:/m, 'one of Kubernetes'],
  [/^-----BEGIN /m, 'a key or a certificate'],
];

/** What is wrong when the file is none of ours; '' when it may be. `data` is undefined if it is not YAML. */
export function foreignFile(text: string, data: unknown, known: readonly string[]): string {
  if (typeof data === 'object' && data !== null) {
    if (Array.isArray(data)) return '';
    const keys = Object.keys(data);
    const isOurs = (key: string): boolean =>
      key.startsWith('x-') ||
      nearest(key, known) !== undefined ||
      foreignWord(key, '') !== undefined;
    const isWordy = keys.every((key) => /^[\w.$/-]{1,40}$/.test(key));
    if ((keys.length < KEYS_LEAST && isWordy) || keys.some(isOurs)) return '';
  } else if (data === null || hasKeyOf(text, known) || (data === undefined && isShort(text))) {
    return '';
  }
  const kind = KINDS.find(([form]) => form.test(text))?.[1];
  const isJson = /^\s*[[{]/.test(text);
  const what = kind ?? (isJson ? "another program's JSON" : '');
  return what === ''
    ? 'is no configuration of Sluice: none of its keys stands in it; name the right file with -c, or write lines like "listen: 127.0.0.1:8080"'
    : `is no configuration of Sluice, it looks like ${what}; name the right file with -c, or see docs/config.md for the keys`;
}

function isShort(text: string): boolean {
  return text.split('\n').filter((line) => /^[^#]*\S/.test(line)).length < KEYS_LEAST;
}

function hasKeyOf(text: string, known: readonly string[]): boolean {
  return new RegExp(`^[{\\s"']*(${known.join('|')}|x-[\\w-]+)["']?\\s*:`, 'm').test(text);
}
