// What changed in a pool and when, to be drawn beside the figures: a newcomer, a drain, a verdict, a weight,
// a version. The newest of each upstream.

/** joined: `to` is its eligibility. left: `from` is. The others say what was and what is. */
export type MarkKind = 'joined' | 'left' | 'eligibility' | 'weight' | 'version';

export type Mark = {
  readonly atMs: number;
  readonly server: string;
  readonly what: MarkKind;
  readonly from: string;
  readonly to: string;
  /** The owner of its admin state by then; '' = nobody has it out. */
  readonly owner: string;
};

export const MARKS_MAX = 500;

/** What is known of a server, as it is compared. */
export type Facts = {
  readonly eligibility: string;
  readonly weight: number;
  readonly version: string;
  readonly owner: string;
};

/** What is other than before; undefined: the server is not there. */
export function marksBetween(
  server: string,
  last: Facts | undefined,
  next: Facts | undefined,
  atMs: number,
): Mark[] {
  const mark = (what: MarkKind, from: string, to: string): Mark => ({
    ...{ atMs, server, what, from, to, owner: next?.owner ?? '' },
  });
  if (last === undefined) return next === undefined ? [] : [mark('joined', '', next.eligibility)];
  if (next === undefined) return [mark('left', last.eligibility, '')];
  const marks: Mark[] = [];
  const [was, is] = [steady(last.eligibility), steady(next.eligibility)];
  if (was !== is) marks.push(mark('eligibility', was, is));
  if (last.weight !== next.weight) {
    marks.push(mark('weight', String(last.weight), String(next.weight)));
  }
  if (last.version !== next.version) marks.push(mark('version', last.version, next.version));
  return marks;
}

/** A server at its max_conns comes and goes many times a second: no news. */
function steady(eligibility: string): string {
  return eligibility === 'full' ? 'ok' : eligibility;
}

export class Marks {
  #marks: Mark[] = [];

  add(marks: readonly Mark[]): void {
    this.#marks.push(...marks);
    if (this.#marks.length > 2 * MARKS_MAX) this.#marks = this.#marks.slice(-MARKS_MAX);
  }

  since(ms: number, server: string): readonly Mark[] {
    return this.#marks
      .slice(-MARKS_MAX)
      .filter((mark) => mark.atMs >= ms && (server === '' || mark.server === server));
  }
}
