// Addresses of the page: /ui/pools/app is the path of a signal, links change it without loading anything.

import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';

const BASE = '/ui';

export type Place = { readonly path: string; readonly query: URLSearchParams };

/** Where the page is: `/pools/app`, and what stands behind `?`. */
export const place = signal<Place>(here());

export function startRouter(): void {
  addEventListener('popstate', () => {
    place.value = here();
  });
}

/** `path`: as in `place`, with or without a query. */
export function go(path: string, { replace = false }: { replace?: boolean } = {}): void {
  if (replace) history.replaceState(null, '', BASE + path);
  else history.pushState(null, '', BASE + path);
  place.value = here();
  if (!replace) scrollTo(0, 0);
}

/** Changes one value of the query; '' takes it away. */
export function setQuery(name: string, value: string): void {
  const { path, query } = place.peek();
  const next = new URLSearchParams(query);
  if (value === '') next.delete(name);
  else next.set(name, value);
  const text = next.toString();
  go(text === '' ? path : `${path}?${text}`, { replace: true });
}

/** `['pools', 'a b/c']` of a path. */
export function segmentsOf(path: string): readonly string[] {
  return path.split('/').filter(Boolean).map(decode);
}

export function pathOf(...segments: readonly string[]): string {
  return `/${segments.map(encodeURIComponent).join('/')}`;
}

export type LinkProps = {
  readonly to: string;
  readonly class?: string;
  readonly children: ComponentChildren;
  readonly current?: boolean;
  readonly title?: string;
};

export function Link({ to, current = false, children, ...rest }: LinkProps) {
  return (
    <a
      {...rest}
      href={BASE + to}
      aria-current={current ? 'page' : undefined}
      onClick={(event) => {
        const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
        if (!isPlain || event.altKey) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}

function here(): Place {
  const path = location.pathname.slice(BASE.length) || '/';
  return { path, query: new URLSearchParams(location.search) };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    // Not encoded by us: as it is.
    return segment;
  }
}
