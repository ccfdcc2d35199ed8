// Reading JSON that may be anything: each field is checked where it is taken out.

export function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) throw bad(name);
  // A parser's cast: an object read from a file, whose fields are each checked by their reader.
  return (value as Record<string, unknown>)[name] ?? null;
}

export function stringField(value: unknown, name: string): string {
  const found = field(value, name);
  if (typeof found !== 'string') throw bad(name);
  return found;
}

export function numberField(value: unknown, name: string): number {
  const found = field(value, name);
  if (typeof found !== 'number' || !Number.isSafeInteger(found)) throw bad(name);
  return found;
}

/** Texts by name; none when it is not there. */
export function textsField(value: unknown, name: string): Record<string, string> {
  const entries = Object.entries(field(value, name) ?? {});
  return Object.fromEntries(entries.map(([key, text]) => [key, String(text)]));
}

/** Texts in a row; none when it is not there. */
export function wordsField(value: unknown, name: string): readonly string[] {
  const found = field(value, name);
  return Array.isArray(found) ? found.map(String) : [];
}

export function bad(name: string): Error {
  return new Error(`"${name}" is missing or of the wrong type`);
}
