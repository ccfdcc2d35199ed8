// Addresses of the page of records.

/** What is '' is left out. */
export function wayTo(names: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(Object.entries(names).filter(([, value]) => value !== ''));
  const text = query.toString();
  return text === '' ? '/kv' : `/kv?${text}`;
}
