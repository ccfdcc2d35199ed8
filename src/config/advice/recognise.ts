// Is the file one of ours at all? A wrong name after -c hands us another program's file, a log or
// worse. Then one sentence is said, and nothing of what is in the file.

import { nearest } from '../../base/suggest.ts';
import { foreignWord } from './foreign-words.ts';

/** Below this a file may be a first try with a wrong word; its key deserves an answer. */
const KEYS_LEAST = 3;
/** So many tell what a file is; looking for near words among thousands would take seconds. */
const KEYS_LOOKED_AT = 200;

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
  if (data === null || Array.isArray(data)) return '';
  if (
    typeof data === 'object' ? isOurMap(Object.keys(data), known) : isOurText(text, data, known)
  ) {
    return '';
  }
  const kind = KINDS.find(([form]) => form.test(text))?.[1];
  const isJson = /^\s*[[{]/.test(text);
  const what = kind ?? (isJson ? "another program's JSON" : '');
  return what === ''
    ? 'is no configuration of Sluice: none of its keys stands in it; name the right file with -c, or write lines like "listen: 127.0.0.1:8080"'
    : `is no configuration of Sluice, it looks like ${what}; name the right file with -c, or see docs/config.md for the keys`;
}

/** One key of ours is enough; else most of them must at least be meant as such. */
function isOurMap(keys: readonly string[], known: readonly string[]): boolean {
  if (keys.some((key) => key.startsWith('x-') || known.includes(key))) return true;
  const words = keys.filter((key) => /^[\w.$/-]{1,40}$/.test(key));
  if (words.length === keys.length && keys.length < KEYS_LEAST) return true;
  const sample = words.slice(0, KEYS_LOOKED_AT);
  const meant = sample.filter(
    (key) => nearest(key, known) !== undefined || foreignWord(key, '') !== undefined,
  );
  return meant.length * 2 >= Math.min(keys.length, KEYS_LOOKED_AT);
}

function isOurText(text: string, data: unknown, known: readonly string[]): boolean {
  const names = `(?:${known.join('|')}|x-[\\w-]+)`;
  const lines = text.split('\n').filter((line) => /^[^#]*\S/.test(line));
  if (data === undefined) {
    // Broken somewhere; nested lines say nothing, so one key of ours is enough.
    const key = new RegExp(
      `^(${names}\\s*:(\\s|$)|[{\\s]*["']${names}["']\\s*:|\\{\\s*${names}\\s*:\\s)`,
      'm',
    );
    return lines.length < KEYS_LEAST || key.test(text);
  }
  // `listen:80`, without a blank: most lines must look like that, as one does in /etc/passwd.
  const key = new RegExp(`^${names}\\s*:`);
  return lines.filter((line) => key.test(line)).length * 2 >= lines.length;
}
