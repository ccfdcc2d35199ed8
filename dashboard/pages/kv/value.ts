// Values as people read and write them: JSON set out over lines, what is wrong with it in words, one field of a
// server's record changed with all else kept, and what differs between two.

/** Set out over lines if it is a JSON object or list; else as it is. */
export function pretty(value: string): string {
  const parsed = fromJson(value);
  return typeof parsed === 'object' && parsed !== null
    ? JSON.stringify(parsed, undefined, 2)
    : value;
}

/** What is wrong with it as JSON; '' = nothing. */
export function jsonTrouble(value: string): string {
  try {
    JSON.parse(value);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^JSON\.parse: /, '') : String(error);
  }
}

export function isJsonObject(value: string): boolean {
  const parsed = fromJson(value);
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
}

/** The record with this field, and the others as they are, on one line as gateways write it. */
export function withField(value: string, name: string, next: number): string {
  const parsed = fromJson(value);
  const known =
    typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed : {};
  return JSON.stringify({ ...known, [name]: next });
}

export type DiffLine = { readonly sign: ' ' | '-' | '+'; readonly text: string };

/** Beyond that the middle is shown as all other. */
const LINES_MAX = 600;

/** How to come from one to the other, by lines: the longest common part stays. */
export function diffOf(one: string, other: string): readonly DiffLine[] {
  const [before, after] = [one.split('\n'), other.split('\n')];
  let begin = 0;
  while (begin < before.length && begin < after.length && before[begin] === after[begin])
    begin += 1;
  let end = 0;
  const most = Math.min(before.length, after.length) - begin;
  while (end < most && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const same = (text: string): DiffLine => ({ sign: ' ', text });
  return [
    ...before.slice(0, begin).map(same),
    ...middle(before.slice(begin, before.length - end), after.slice(begin, after.length - end)),
    ...before.slice(before.length - end).map(same),
  ];
}

function middle(before: readonly string[], after: readonly string[]): readonly DiffLine[] {
  if (before.length > LINES_MAX || after.length > LINES_MAX) {
    return [
      ...before.map((text) => ({ sign: '-', text }) as const),
      ...after.map((text) => ({ sign: '+', text }) as const),
    ];
  }
  // lengths[i][j]: of the longest common part of what is behind i and j.
  const lengths = Array.from({ length: before.length + 1 }, () =>
    new Array<number>(after.length + 1).fill(0),
  );
  const at = (i: number, j: number): number => lengths[i]?.[j] ?? 0;
  for (let i = before.length - 1; i >= 0; i -= 1) {
    const row = lengths[i] ?? [];
    for (let j = after.length - 1; j >= 0; j -= 1) {
      row[j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    const [old, next] = [before[i], after[j]];
    if (old !== undefined && old === next) {
      lines.push({ sign: ' ', text: old });
      i += 1;
      j += 1;
    } else if (old !== undefined && (next === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ sign: '-', text: old });
      i += 1;
    } else {
      lines.push({ sign: '+', text: next ?? '' });
      j += 1;
    }
  }
  return lines;
}

/** `['upstreams/', 'upstreams/app/']` of a key or folder. */
export function foldersOf(key: string): readonly string[] {
  const found: string[] = [];
  for (let at = key.indexOf('/'); at !== -1; at = key.indexOf('/', at + 1)) {
    found.push(key.slice(0, at + 1));
  }
  return found;
}

function fromJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    // Not JSON.
    return undefined;
  }
}
