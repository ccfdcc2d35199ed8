// The stories that the workers have told, kept in bounded memory: the newest ones of each upstream and kind, of
// the slow ones the slowest. What each server ran, and who had taken it out, is added as it is known when a story
// comes.

import type { RequestsDocument, StoryDocument, StoryQuestion, ToldRequest } from '../../admin.ts';
import type { StoryBatch, StoryKind } from '../../model.ts';

/** Of one upstream. */
export const KEPT_MAX: Readonly<Record<StoryKind, number>> = {
  failed: 200,
  retried: 50,
  slow: 20,
  sampled: 20,
};
/** Over all; the longest list gives way. */
export const STORIES_MAX = 2000;
/** How long a slow one counts, ms. */
export const SLOW_FOR_MS = 15 * 60_000;
/** In the topic of the live stream. */
const TOPIC_MAX = 50;

const SAMPLING =
  'failed: the newest 200 of an upstream; retried: 50; slow: of the 5 longest waits of each minute and worker the 20 longest of the last 15 minutes; sampled: an ordinary one every 10s and worker, the newest 20; at most 2000 over all. A worker tells at most 10 of the same kind, status and upstream in each half second, and 50 of all; leftOut counts the rest.';

type Kept = { readonly seq: number; readonly story: StoryDocument };
type List = { readonly kind: StoryKind; kept: Kept[] };

export type StoryStoreOptions = {
  /** `pid 4711 on web-1`. */
  readonly gateway: string;
  /** '' = not known. */
  readonly versionOf: (server: string) => string;
  /** Who has taken it out; '' = nobody. */
  readonly ownerOf: (upstream: string, server: string) => string;
  /** The Unix clock. */
  readonly now?: () => number;
};

export class StoryStore {
  readonly #options: StoryStoreOptions;
  readonly #now: () => number;
  /** By kind and upstream. */
  readonly #lists = new Map<string, List>();
  #seq = 0;
  #count = 0;
  #leftOut = 0;

  constructor(options: StoryStoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** What a worker has told. */
  add(worker: number, { stories, leftOut }: StoryBatch): void {
    const { gateway, versionOf, ownerOf } = this.#options;
    this.#leftOut += leftOut;
    for (const { attempts, pool, ...story } of stories) {
      const then = <Named extends { readonly server: string }>(of: Named) => {
        const owner = ownerOf(story.upstream, of.server);
        return { ...of, version: versionOf(of.server), owner };
      };
      const known = { attempts: attempts.map(then), pool: pool.map(then), gateway, worker };
      this.#keep({ ...story, ...known });
    }
  }

  /** Something is kept of an upstream of this name. */
  has(upstream: string): boolean {
    return [...this.#all()].some(({ story }) => story.upstream === upstream);
  }

  read(question: StoryQuestion): Omit<RequestsDocument, 'scope'> {
    const { upstream, kind, id, last } = question;
    const isAsked = ({ story }: Kept): boolean =>
      (kind === 'all' || story.kind === kind) &&
      (upstream === '' || story.upstream === upstream) &&
      (id === '' || [story.id, story.clientId, story.traceId].includes(id));
    const found = [...this.#all()].filter(isAsked).toSorted(kind === 'slow' ? bySlow : byNew);
    const times = [...this.#all()]
      .filter(({ story }) => story.kind === 'failed')
      .map(({ story }) => story.timeMs);
    return {
      requests: found.slice(0, last).map(({ story }) => story),
      leftOut: this.#leftOut,
      sinceMs: times.length === 0 ? 0 : Math.min(...times),
      sampling: SAMPLING,
    };
  }

  /** The newest, by their number, for the live stream; ordinary ones are no news. */
  newest(): readonly (readonly [seq: number, story: StoryDocument])[] {
    return [...this.#all()]
      .filter(({ story }) => story.kind !== 'sampled')
      .toSorted(byNew)
      .slice(0, TOPIC_MAX)
      .map(({ seq, story }) => [seq, story] as const);
  }

  /** Those that a server has answered, for exemplars. */
  told(): readonly ToldRequest[] {
    return [...this.#all()].flatMap(({ story }) => {
      const { server = '', headMs = null } = story.attempts.at(-1) ?? {};
      if (story.result !== 'answered' || headMs === null) return [];
      const { id: requestId, traceId, upstream, durationMs: ms, timeMs } = story;
      return [{ requestId, traceId, upstream, server, headMs, ms, timeMs: timeMs + ms }];
    });
  }

  get leftOut(): number {
    return this.#leftOut;
  }

  *#all(): Generator<Kept> {
    const agedMs = this.#now() - SLOW_FOR_MS;
    for (const { kind, kept } of this.#lists.values()) {
      for (const one of kept) if (kind !== 'slow' || one.story.timeMs > agedMs) yield one;
    }
  }

  #keep(story: StoryDocument): void {
    const { kind, upstream } = story;
    const key = `${kind} ${upstream}`;
    const list = this.#lists.get(key) ?? { kind, kept: [] };
    this.#lists.set(key, list);
    this.#seq += 1;
    this.#count += 1;
    list.kept.push({ seq: this.#seq, story });
    if (list.kept.length > KEPT_MAX[kind]) this.#forgetOne(key, list);
    if (this.#count > STORIES_MAX) this.#forgetOne(...this.#longest(key, list));
  }

  #longest(key: string, list: List): [string, List] {
    let longest: [string, List] = [key, list];
    for (const [other, its] of this.#lists) {
      // Between equals the one that was told of first.
      if (its.kept.length > longest[1].kept.length) longest = [other, its];
      else if (its.kept.length === longest[1].kept.length && seqOf(its) < seqOf(longest[1]))
        longest = [other, its];
    }
    return longest;
  }

  #forgetOne(key: string, list: List): void {
    const agedMs = this.#now() - SLOW_FOR_MS;
    const isOld = (list.kept[0]?.story.timeMs ?? 0) <= agedMs;
    const at = list.kind === 'slow' && !isOld ? fastestOf(list.kept) : 0;
    list.kept.splice(at, 1);
    this.#count -= 1;
    if (list.kept.length === 0) this.#lists.delete(key);
  }
}

function seqOf({ kept }: List): number {
  return kept[0]?.seq ?? 0;
}

function fastestOf(kept: readonly Kept[]): number {
  const waits = kept.map(({ story }) => story.waitMs ?? 0);
  return waits.indexOf(Math.min(...waits));
}

function byNew(left: Kept, right: Kept): number {
  return right.seq - left.seq;
}

function bySlow(left: Kept, right: Kept): number {
  return (right.story.waitMs ?? 0) - (left.story.waitMs ?? 0) || byNew(left, right);
}
