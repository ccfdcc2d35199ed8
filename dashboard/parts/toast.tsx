// Short words at the edge about what was just done, read out by screen readers; some can be undone.

import { signal } from '@preact/signals';

export type Toast = {
  readonly id: number;
  readonly kind: 'good' | 'bad';
  readonly text: string;
  readonly undo?: { readonly label: string; readonly run: () => void };
};

/** It goes away by itself, ms; what went wrong, or can be undone, stays longer. */
const [STAYS_MS, STAYS_LONGER_MS, LOOKED_AT_MS] = [6000, 20_000, 1000];
const TOASTS_MAX = 4;

const toasts = signal<readonly Toast[]>([]);
let next = 1;

export function toast(text: string, options: Partial<Pick<Toast, 'kind' | 'undo'>> = {}): void {
  const one: Toast = { id: next, kind: 'good', text, ...options };
  next += 1;
  toasts.value = [...toasts.value.slice(1 - TOASTS_MAX), one];
  fade(one.id, one.kind === 'bad' || one.undo !== undefined ? STAYS_LONGER_MS : STAYS_MS);
}

/** Not while somebody points at one, or is in it. */
function fade(id: number, ms: number): void {
  setTimeout(() => {
    if (document.querySelector('.toast:is(:hover, :focus-within)') === null) drop(id);
    else fade(id, LOOKED_AT_MS);
  }, ms);
}

export function Toasts() {
  return (
    <div class="toasts" role="status">
      {toasts.value.map(({ id, kind, text, undo }) => (
        <div key={id} class={`toast toast-${kind}`}>
          <span>{text}</span>
          {undo === undefined ? null : (
            <button
              type="button"
              class="link-button"
              onClick={() => {
                undo.run();
                drop(id);
              }}
            >
              {undo.label}
            </button>
          )}
          <button type="button" class="icon-button" aria-label="✕" onClick={() => drop(id)}>
            <span aria-hidden="true">✕</span>
          </button>
        </div>
      ))}
    </div>
  );
}

function drop(id: number): void {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}
