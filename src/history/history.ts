// The last hour of this gateway without a Prometheus: per upstream, per version of an upstream and per
// server, 300 seconds and 360 times 10 s. Fed once a second with sums that only rise, of the servers that
// changed alone; what nobody used costs nothing.
//
// Memory: a series costs about 10 kB, and there are at most SERIES_MAX of them, 120 MB: 10,000 servers that
// all had traffic within the hour, their upstreams and versions. A server without traffic has none. One that left
// the pool keeps its own until an hour after its last request. Beyond the limit newcomers have none, and that
// is said.

import { HEAD_BUCKETS } from '../model.ts';
import { type Facts, type Mark, Marks, marksBetween } from './marks.ts';
import { COARSE_S, COARSE_SLOTS, type Columns, Series } from './series.ts';

export const SERIES_MAX = 12_000;
/** Servers of which the last sums are known, with or without a series. The oldest are forgotten. */
const TRACKED_MAX = 50_000;
const KEPT_S = COARSE_S * COARSE_SLOTS;
const SWEEP_S = 60;
/** A clock that was set back by more than this begins a new history. */
const BACK_MAX_S = 5;

/** Since the start; `heads` by the buckets of HEAD_BOUNDS_MS. */
export type Totals = {
  readonly requests: number;
  readonly failures: number;
  readonly errors: number;
  readonly inFlight: number;
};
export type ServerTotals = Totals & {
  readonly id: string;
  readonly version: string;
  readonly heads: readonly number[];
};
export type UpstreamTotals = Totals & {
  readonly name: string;
  /** Those that may have changed since the last time. */
  readonly servers: readonly ServerTotals[];
};

export type Span = '5m' | '1h';
export type Kind = 'upstream' | 'version' | 'server';
export type NamedColumns = Columns & { readonly kind: Kind; readonly name: string };

/** One second; `heads` by the buckets of HEAD_BOUNDS_MS. */
export type Second = Totals & { readonly heads: ArrayLike<number> };

export type Recent = {
  /** Begin of the first slot, ms of the Unix clock. */
  readonly startMs: number;
  readonly stepMs: number;
  readonly slots: number;
  readonly series: readonly NamedColumns[];
  readonly marks: readonly Mark[];
  /** False: there were more servers than series. */
  readonly complete: boolean;
};

/** The sums of one thing as they were, and its series once it has one. */
class Track {
  /** Sums may be larger than what 32 bits hold. */
  readonly heads = new Float64Array(HEAD_BUCKETS);
  last: Totals = { requests: 0, failures: 0, errors: 0, inFlight: 0 };
  version = '';
  series: Series | undefined;
}

type Pool = {
  readonly own: Track;
  readonly servers: Map<string, Track>;
  readonly versions: Map<string, Track>;
  readonly marks: Marks;
};

export class History {
  readonly #pools = new Map<string, Pool>();
  readonly #touched = new Set<Series>();
  readonly #tenTouched = new Set<Series>();
  readonly #delta = new Uint32Array(HEAD_BUCKETS);
  #second = 0;
  #series = 0;
  #tracked = 0;
  #isFull = false;

  /** How many series there are. */
  get size(): number {
    return this.#series;
  }

  /** The second that was recorded last, Unix time; 0 = none. */
  get second(): number {
    return this.#second;
  }

  /** This second is over. One that was missed shares what happened with the next. */
  record(second: number, upstreams: readonly UpstreamTotals[]): void {
    if (this.#second - second > BACK_MAX_S) this.#beginAnew();
    if (second <= this.#second) return;
    const first = this.#second === 0 ? second : this.#second + 1;
    const ten = Math.floor(first / COARSE_S);
    this.#endTens(ten);
    for (const upstream of upstreams) this.#take(second, upstream);
    for (const series of this.#touched) {
      series.endSeconds(first, second);
      this.#tenTouched.add(series);
    }
    this.#touched.clear();
    this.#second = second;
    if (second % SWEEP_S === 0) this.#sweep();
  }

  /** What is known of a server may have changed. */
  noteFacts(
    upstream: string,
    server: string,
    change: { readonly last: Facts | undefined; readonly next: Facts | undefined },
    nowMs: number,
  ): void {
    const marks = marksBetween(server, change.last, change.next, nowMs);
    if (marks.length > 0) this.#pool(upstream).marks.add(marks);
  }

  /** `server`: '' = the upstream and its versions, `*` = all servers, at most `most`. */
  read(upstream: string, server: string, span: Span, most: number): Recent {
    const isFine = span === '5m';
    const [stepS, slots] = isFine ? [1, 300] : [COARSE_S, COARSE_SLOTS];
    // The newest slot is one that is over.
    const last = isFine ? this.#second : Math.floor((this.#second + 1) / COARSE_S) - 1;
    if (!isFine) this.#endTens(last + 1);
    const startMs = (last - slots + 1) * stepS * 1000;
    const pool = this.#pools.get(upstream);
    const chosen = pool === undefined ? [] : chosenOf(pool, server);
    const series = chosen.slice(0, most).map(([kind, name, found]) => ({
      ...{ kind, name, ...(isFine ? found.fine(last) : found.coarse(last)) },
    }));
    const marks = pool?.marks.since(startMs, server === '*' ? '' : server) ?? [];
    const complete = !this.#isFull && chosen.length <= most;
    return { startMs, stepMs: stepS * 1000, slots, series, marks, complete };
  }

  /** The newest second of a server, or of an upstream where `server` is ''; undefined: it had no traffic. */
  newest(upstream: string, server: string): Columns | undefined {
    const pool = this.#pools.get(upstream);
    const track = server === '' ? pool?.own : pool?.servers.get(server);
    return track?.series?.fine(this.#second, 1);
  }

  /** The newest second of an upstream, and of its servers that had requests in it or have some in flight. */
  seconds(upstream: string): {
    readonly own: Second;
    readonly servers: ReadonlyMap<string, Second>;
  } {
    const pool = this.#pools.get(upstream);
    const servers = new Map<string, Second>();
    for (const [id, { series }] of pool?.servers ?? []) {
      if (series === undefined) continue;
      if (series.activeAtS < this.#second && series.inFlight === 0) continue;
      servers.set(id, this.#newestOf(series));
    }
    return { own: this.#newestOf(pool?.own.series), servers };
  }

  #newestOf(series: Series | undefined): Second {
    const newest = series?.fine(this.#second, 1);
    return {
      ...{ requests: newest?.requests[0] ?? 0, failures: newest?.failures[0] ?? 0 },
      ...{ errors: newest?.errors[0] ?? 0, inFlight: newest?.inFlight[0] ?? 0 },
      heads: series?.headsOf(this.#second) ?? [],
    };
  }

  #take(second: number, upstream: UpstreamTotals): void {
    const pool = this.#pool(upstream.name);
    for (const server of upstream.servers) {
      const known = pool.servers.get(server.id);
      const track = known ?? new Track();
      if (known === undefined) {
        if (server.requests === 0 && server.inFlight === 0) continue;
        this.#keep(pool.servers, server.id, track);
      }
      this.#takeServer(second, pool, track, server);
    }
    this.#count(second, pool.own, upstream);
  }

  #takeServer(second: number, pool: Pool, track: Track, server: ServerTotals): void {
    const { heads, version, inFlight } = server;
    for (let place = 0; place < HEAD_BUCKETS; place += 1) {
      const now = heads[place] ?? 0;
      this.#delta[place] = Math.max(0, now - (track.heads[place] ?? 0));
      track.heads[place] = now;
    }
    const { last } = track;
    const answered = { requests: 0, failures: 0, errors: 0, heads: this.#delta };
    this.#count(second, track, server);
    const group = this.#version(pool, version);
    if (track.version !== version) {
      // What it has in flight goes with it to its new version.
      const left = this.#version(pool, track.version);
      if (left !== undefined) this.#shift(second, left, -last.inFlight);
      if (group !== undefined) this.#shift(second, group, last.inFlight);
      track.version = version;
    }
    this.#add(second, track, answered);
    this.#add(second, pool.own, answered);
    if (group === undefined) return;
    this.#add(second, group, { ...differenceOf(server, last), heads: this.#delta });
    this.#shift(second, group, inFlight - last.inFlight);
  }

  #version(pool: Pool, version: string): Track | undefined {
    if (version === '') return undefined;
    const known = pool.versions.get(version);
    if (known !== undefined) return known;
    const track = new Track();
    pool.versions.set(version, track);
    return track;
  }

  /** Counts and what is in flight, of which the sums are in `now`. */
  #count(second: number, track: Track, now: Totals): void {
    const { last } = track;
    const { requests, failures, errors, inFlight } = now;
    track.last = { requests, failures, errors, inFlight };
    this.#add(second, track, { ...differenceOf(now, last), heads: [] });
    if (inFlight !== last.inFlight) this.#flow(second, track, inFlight);
  }

  #add(second: number, track: Track, happened: Parameters<Series['add']>[0]): void {
    const { requests, failures, errors, heads } = happened;
    if (requests + failures + errors === 0 && isZero(heads)) return;
    const series = this.#seriesOf(second, track);
    series?.add(happened);
  }

  /** Of a version, whose sum is made here. */
  #shift(second: number, track: Track, by: number): void {
    if (by === 0) return;
    const inFlight = Math.max(0, track.last.inFlight + by);
    track.last = { ...track.last, inFlight };
    this.#flow(second, track, inFlight);
  }

  #flow(second: number, track: Track, inFlight: number): void {
    if (inFlight === 0 && track.series === undefined) return;
    const series = this.#seriesOf(second, track);
    if (series !== undefined) series.inFlight = inFlight;
  }

  #seriesOf(second: number, track: Track): Series | undefined {
    if (track.series === undefined) {
      if (this.#series >= SERIES_MAX) {
        this.#isFull = true;
        return undefined;
      }
      this.#series += 1;
      track.series = new Series(second);
      track.series.inFlight = track.last.inFlight;
    }
    this.#touched.add(track.series);
    return track.series;
  }

  #keep(servers: Map<string, Track>, id: string, track: Track): void {
    servers.set(id, track);
    this.#tracked += 1;
    if (this.#tracked <= TRACKED_MAX) return;
    for (const [oldest, { series }] of servers) {
      if (series !== undefined || oldest === id) continue;
      servers.delete(oldest);
      this.#tracked -= 1;
      return;
    }
  }

  #pool(name: string): Pool {
    const known = this.#pools.get(name);
    if (known !== undefined) return known;
    const pool = { own: new Track(), servers: new Map(), versions: new Map(), marks: new Marks() };
    this.#pools.set(name, pool);
    return pool;
  }

  /** The ten seconds before this number are over. */
  #endTens(ten: number): void {
    if (this.#second === 0 || Math.floor(this.#second / COARSE_S) >= ten) return;
    const over = Math.floor(this.#second / COARSE_S);
    for (const series of this.#tenTouched) series.endTen(over);
    this.#tenTouched.clear();
  }

  /** Nothing of it is younger than an hour. */
  #sweep(): void {
    for (const { own, servers, versions } of this.#pools.values()) {
      for (const track of [own, ...servers.values(), ...versions.values()]) {
        const { series } = track;
        if (series === undefined || series.inFlight > 0) continue;
        if (this.#second - series.activeAtS <= KEPT_S) continue;
        track.series = undefined;
        this.#tenTouched.delete(series);
        this.#series -= 1;
      }
      for (const [version, { series }] of versions) {
        if (series === undefined) versions.delete(version);
      }
    }
    this.#isFull &&= this.#series >= SERIES_MAX;
  }

  #beginAnew(): void {
    for (const { own, servers, versions } of this.#pools.values()) {
      for (const track of [own, ...servers.values(), ...versions.values()])
        track.series = undefined;
    }
    this.#tenTouched.clear();
    this.#series = 0;
    this.#second = 0;
  }
}

function chosenOf(pool: Pool, server: string): [Kind, string, Series][] {
  const { own, servers, versions } = pool;
  const named = (kind: Kind, tracks: ReadonlyMap<string, Track>): [Kind, string, Series][] =>
    [...tracks].flatMap(([name, { series }]) =>
      series === undefined ? [] : [[kind, name, series]],
    );
  if (server === '*') return named('server', servers);
  if (server !== '') {
    const track = servers.get(server);
    return track === undefined ? [] : named('server', new Map([[server, track]]));
  }
  return [...named('upstream', new Map([['', own]])), ...named('version', versions)];
}

function differenceOf(now: Totals, last: Totals) {
  // Figures of a worker that was replaced may be a little older than what was seen of it.
  return {
    requests: Math.max(0, now.requests - last.requests),
    failures: Math.max(0, now.failures - last.failures),
    errors: Math.max(0, now.errors - last.errors),
  };
}

function isZero(heads: ArrayLike<number>): boolean {
  for (let place = 0; place < heads.length; place += 1) if (heads[place] !== 0) return false;
  return true;
}
