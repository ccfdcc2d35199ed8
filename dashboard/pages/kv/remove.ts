// Deleting keys: what it would do is shown before, and only what was shown is deleted.

import { type Action, start } from '../../actions/action.ts';
import { call } from '../../live/api.ts';
import { kvText } from './text.ts';

export function removeEntry(registry: string, key: string, onDone: () => void): void {
  begin(registry, key, 'entry', key, onDone);
}

export function removePrefix(registry: string, prefix: string): void {
  begin(registry, prefix, 'prefix', prefix, () => {});
}

function begin(
  registry: string,
  key: string,
  remove: 'entry' | 'prefix',
  typed: string,
  onDone: () => void,
): void {
  const text = kvText();
  const action: Action = {
    ...{ title: `${text.remove}: ${key}`, verb: text.remove, typed, isBad: true },
    forecast: async () => {
      const effect = await call('kvEffect', { registry, key, value: '', remove });
      const { level, refusal, says, warnings, problems, index, keys: count, cli, curl } = effect;
      return {
        ...{ level, refusal, facts: says },
        warnings: [...warnings, ...problems],
        lines: [
          ['CLI', cli],
          ['curl', curl],
        ],
        run: async () => {
          const prefix = remove === 'prefix';
          const body = { registry, key, index, prefix, count, force: false };
          const { removed } = await call('kvRemove', { body });
          onDone();
          return { said: text.removed(removed) };
        },
      };
    },
  };
  void start(action);
}
