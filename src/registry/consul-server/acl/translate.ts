// Rules of before Consul 1.4 in today's words: what was a prefix by itself gets a name that says so. They
// are printed anew: one rule that stood on one line stays there, all others have lines of their own. Comments
// in front of the first rule stay; those behind it are dropped. Pure.

import { type Item, parseHcl } from './hcl.ts';

const NAMED: readonly string[] = ['agent', 'event', 'key', 'node', 'query', 'service', 'session'];

/** @throws HclError */
export function translateRules(text: string): string {
  const items = parseHcl(text).map(({ path: [kind = '', ...labels], value }) => ({
    path: [NAMED.includes(kind) ? `${kind}_prefix` : kind, ...labels],
    value,
  }));
  const isShort = items.length === 1 && !text.trim().includes('\n');
  if (isShort) return printed(items, ' ', '');
  const [comments = ''] = /^(?:[ \t]*(?:#|\/\/).*\n)*/.exec(text.trimStart()) ?? [];
  return comments + items.map((item) => printed([item])).join('\n\n');
}

function printed(items: readonly Item[], end = '\n', indent = '  '): string {
  return items
    .map(({ path: [kind = '', ...labels], value }) => {
      const name = [kind, ...labels.map((label) => JSON.stringify(label))].join(' ');
      if (typeof value === 'string') return `${name} = ${JSON.stringify(value)}`;
      const inside = printed(value, end, indent).replaceAll('\n', `\n${indent}`);
      return `${name} {${end}${indent}${inside}${end}}`;
    })
    .join(end);
}
