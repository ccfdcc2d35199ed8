// `sluice kv tree`: the keys under a prefix as folders.

import type { Command } from 'commander';
import { print, visible } from '../../output.ts';
import { withRegistry } from './records.ts';

type Folder = Map<string, Folder>;

export function defineTree(verb: Command): void {
  verb
    .description('Show the keys under a prefix as a tree.')
    .argument('[prefix]', 'all when left out', '')
    .action((prefix: string, _: unknown, command: Command) =>
      withRegistry(command, async ({ registry }) => {
        const { entries } = await registry.list(prefix);
        const root: Folder = new Map();
        // The prefix is the root where it is a folder, else a part of the first names.
        const from = prefix.lastIndexOf('/') + 1;
        for (const { key } of entries) {
          let folder = root;
          for (const name of key.slice(from).split('/')) {
            const inner = folder.get(name) ?? new Map();
            folder.set(name, inner);
            folder = inner;
          }
        }
        const lines = [visible(prefix.slice(0, from)) || '/', ...linesOf(root, '')];
        print(`${lines.join('\n')}\n${entries.length} records`);
      }),
    );
}

function* linesOf(folder: Folder, indent: string): Generator<string> {
  // A key that ends with a slash is a folder itself.
  const names = [...folder.keys()].filter((name) => name !== '');
  for (const [at, name] of names.entries()) {
    const inner: Folder = folder.get(name) ?? new Map();
    const isLast = at === names.length - 1;
    yield `${indent}${isLast ? '└─ ' : '├─ '}${visible(name)}${inner.size > 0 ? '/' : ''}`;
    yield* linesOf(inner, `${indent}${isLast ? '   ' : '│  '}`);
  }
}
