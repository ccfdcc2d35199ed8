// Waits for something that progress may bring.

/** Resolves when it is true, or the time is over. `watch` calls at each progress and returns its unsubscription. */
export function whenTrue(
  isTrue: () => boolean,
  watch: (onProgress: () => void) => () => void,
  deadlineMs: number,
): Promise<void> {
  if (isTrue()) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      unwatch();
      resolve();
    };
    const timer = setTimeout(finish, deadlineMs);
    const unwatch = watch(() => {
      if (isTrue()) finish();
    });
  });
}
