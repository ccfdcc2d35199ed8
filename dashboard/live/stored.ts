// A choice of the reader that this browser remembers.

import { effect, type Signal, signal } from '@preact/signals';

export function stored<Value extends string>(
  name: string,
  values: readonly Value[],
  first: NoInfer<Value>,
): Signal<Value> {
  const key = `sluice.${name}`;
  const choice = signal(values.find((value) => value === read(key)) ?? first);
  let isFirst = true;
  effect(() => {
    const { value } = choice;
    if (!isFirst) write(key, value);
    isFirst = false;
  });
  return choice;
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    // Storage is forbidden in this browser.
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Remembered until the page is closed, then.
  }
}
