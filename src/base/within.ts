// A promise that nobody waits for longer than a given time. What it does goes on; only its result is not
// awaited any more.

/** The promise's value, or `late` when the time is over. A failure after that is nobody's. */
export async function within<Value, Late>(
  promise: Promise<Value>,
  timeoutMs: number,
  late: Late,
): Promise<Value | Late> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<Late>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, late);
  });
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
    promise.catch(() => {
      // Whoever still waited has it; else nobody does.
    });
  }
}
