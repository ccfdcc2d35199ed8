// Asking again until something is so.

/** Asks again until it is so. Without an end of its own: the test has one. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}
