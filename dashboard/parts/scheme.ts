// Light or dark, and the colours that are drawn by hand: they come from the style sheet, so there is one list.

import { effect, signal } from '@preact/signals';
import { stored } from '../live/stored.ts';

export const scheme = stored<'auto' | 'light' | 'dark'>(
  'scheme',
  ['auto', 'light', 'dark'],
  'auto',
);

export type Look = {
  /** By kind of line: requests, errors, time; by place for versions. */
  readonly lines: Readonly<Record<string, string>>;
  /** By what a server is when it takes no requests. */
  readonly states: Readonly<Record<string, string>>;
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly panel: string;
  readonly series: readonly string[];
};

export const look = signal<Look>({
  lines: {},
  states: {},
  text: '',
  muted: '',
  grid: '',
  panel: '',
  series: [],
});

export function startScheme(): void {
  effect(() => {
    const { value } = scheme;
    if (value === 'auto') delete document.documentElement.dataset['scheme'];
    else document.documentElement.dataset['scheme'] = value;
    readLook();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', readLook);
}

function readLook(): void {
  // Which of the two colours of a name it is, only an element knows that wears it.
  const probe = document.documentElement.appendChild(document.createElement('i'));
  const of = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  look.value = {
    lines: { requests: of('line-requests'), errors: of('bad'), time: of('line-time') },
    states: { drain: of('drain-fill'), maint: of('maint-fill'), down: of('bad-fill') },
    text: of('text'),
    muted: of('muted'),
    grid: of('line'),
    panel: of('panel'),
    series: [1, 2, 3, 4, 5, 6].map((place) => of(`series-${place}`)),
  };
  probe.remove();
}
