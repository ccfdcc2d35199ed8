// What needs attention, above everything else.

import type { ComponentChildren } from 'preact';

export type BannerProps = {
  readonly level: 'bad' | 'warn' | 'info';
  readonly children: ComponentChildren;
};

const SIGNS = { bad: '✕', warn: '!', info: 'i' } as const;

export function Banner({ level, children }: BannerProps) {
  return (
    <div class={`banner banner-${level}`} role={level === 'bad' ? 'alert' : 'status'}>
      <span class="banner-sign" aria-hidden="true">
        {SIGNS[level]}
      </span>
      <div>{children}</div>
    </div>
  );
}
