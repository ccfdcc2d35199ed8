// The state of a server by shape, word and colour: no one of the three is needed to understand it.

import type { ComponentChildren } from 'preact';
import type { Eligibility } from '../../src/model.ts';
import { common } from '../text.ts';

/** In the order in which a bar shows them. */
export const STATES: readonly Eligibility[] = [
  'ok',
  'full',
  'drain',
  'maint',
  'unchecked',
  'ejected',
  'unresolved',
  'panic',
  'down',
];

const SHAPES: Readonly<Record<Eligibility, ComponentChildren>> = {
  ok: <circle cx="6" cy="6" r="5" />,
  full: <path d="M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1Zm-3 4h6v2H3Z" fill-rule="evenodd" />,
  drain: (
    <path
      d="M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1Zm0 1.6v6.8a3.4 3.4 0 0 1 0-6.8Z"
      fill-rule="evenodd"
    />
  ),
  maint: <rect x="1.5" y="1.5" width="9" height="9" rx="1" />,
  unchecked: <circle cx="6" cy="6" r="4.2" fill="none" stroke="currentColor" stroke-width="1.6" />,
  ejected: <path d="M6 .8 11.4 11H.6Z" />,
  unresolved: <path d="M6 .6 11.4 6 6 11.4.6 6Z" />,
  panic: <path d="M6 .8 11.4 11H.6Z" />,
  down: (
    <path d="m2.2.8 3.8 3.8L9.8.8l1.4 1.4L7.4 6l3.8 3.8-1.4 1.4L6 7.4l-3.8 3.8L.8 9.8 4.6 6 .8 2.2Z" />
  ),
};

export type StateMarkProps = {
  readonly state: Eligibility;
  /** Behind the word, such as a countdown. */
  readonly children?: ComponentChildren;
};

export function StateMark({ state, children }: StateMarkProps) {
  return (
    <span class={`state state-${state}`}>
      <Shape state={state} />
      <span>{wordOf(state)}</span>
      {children}
    </span>
  );
}

export function Shape({ state }: { readonly state: Eligibility }) {
  return (
    <svg class="shape" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      {/* A newer gateway may have more. */}
      {SHAPES[state] ?? SHAPES.unchecked}
    </svg>
  );
}

export function wordOf(state: Eligibility): string {
  const words: Readonly<Partial<Record<Eligibility, string>>> = common().states;
  return words[state] ?? state;
}
