// "did you mean": the nearest known word, or none. Used for keys and for words of a closed set.

/** All keys of a section fit; the names of a thousand upstreams do not. */
const KNOWN_SHOWN_MAX = 15;

/** A file with thousands of wrong names must be refused in a second, not in a minute. */
const CANDIDATES_MAX = 200;

/** The known word within two edits (one for words of up to four letters), or undefined. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = word.length <= 4 ? 2 : 3;
  for (const candidate of known.slice(0, CANDIDATES_MAX)) {
    const [a, b] = [spelling(word), spelling(candidate)];
    // `warning` for `warn`, `interval_ms` for `interval`: a beginning is as near as one edit.
    const isBeginning = Math.min(a.length, b.length) >= 4 && (a.startsWith(b) || b.startsWith(a));
    const distance = isBeginning ? Math.min(1, editDistance(a, b)) : editDistance(a, b);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean "interval"?`, or the known words when there are few, or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  if (near !== undefined) return `did you mean "${near}"?`;
  const rest = known.length > KNOWN_SHOWN_MAX ? `, … (${known.length} in all)` : '';
  return `known here: ${known.slice(0, KNOWN_SHOWN_MAX).join(', ')}${rest}`;
}

/** `maxFails`, `max-fails` and `MAX_FAILS` are all spellings of `max_fails`. */
function spelling(word: string): string {
  const isUpper = word === word.toUpperCase();
  const snake = isUpper ? word : word.replace(/([a-z0-9])([A-Z])/g, '$1_$2');
  return snake.replaceAll('-', '_').toLowerCase();
}

/** Levenshtein with transposition. Words longer than 64 are never near. */
function editDistance(a: string, b: string): number {
  if (a.length > 64 || b.length > 64) return Number.POSITIVE_INFINITY;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (row > 1 && column > 1 && swapped) cost = Math.min(cost, (before[column - 2] ?? 0) + 1);
      current.push(cost);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

export function unknownUpstream(name: string, known: readonly string[]): string {
  return `there is no upstream "${name.length > 64 ? `${name.slice(0, 40)}…` : name}"; ${didYouMean(name, known)}`;
}
