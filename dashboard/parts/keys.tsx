// Keys: `/` to the filter, `g` and a letter to a page, `?` for the list.

import { signal } from '@preact/signals';
import { go } from '../router.tsx';
import { common } from '../text.ts';
import { Dialog } from './dialog.tsx';

/** The second key has to come within this time, ms. */
const TOGETHER_MS = 1200;

const isOpen = signal(false);

/** `g` and the first letter of each; '' is the overview. */
export function startKeys(paths: readonly string[]): () => void {
  let beganMs = Number.NEGATIVE_INFINITY;
  const onKey = (event: KeyboardEvent): void => {
    if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector('dialog[open]') !== null) return;
    if (event.timeStamp - beganMs < TOGETHER_MS) {
      beganMs = Number.NEGATIVE_INFINITY;
      const path = paths.find((one) => letterOf(one) === event.key);
      if (path !== undefined) {
        event.preventDefault();
        go(`/${path}`);
      }
    } else if (event.key === 'g') beganMs = event.timeStamp;
    else if (event.key === '?') isOpen.value = true;
    else if (event.key === '/') {
      const filter = document.querySelector<HTMLElement>('[data-filter]');
      if (filter === null) return;
      event.preventDefault();
      filter.focus();
    }
  };
  addEventListener('keydown', onKey);
  return () => removeEventListener('keydown', onKey);
}

function letterOf(path: string): string {
  // Releases and requests begin alike.
  if (path === 'requests') return 'q';
  return path === '' ? 'o' : path.charAt(0);
}

export function Keys() {
  if (!isOpen.value) return null;
  const text = common();
  const keys: readonly (readonly [string, string])[] = [
    ['?', text.keyHelp],
    ['/', text.keyFilter],
    ['g o', text.keyGo(text.overview)],
    ['g r', text.keyGo(text.releases)],
    ['g q', text.keyGo(text.requests)],
    ['g e', text.keyGo(text.events)],
    ['g k', text.keyGo(text.kv)],
    ['Esc', text.keyClose],
  ];
  return (
    <Dialog
      title={text.keys}
      onClose={() => {
        isOpen.value = false;
      }}
    >
      <dl class="keys">
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]')
  );
}
