// What happens, put together: the history, and the live stream that is computed while somebody listens.

import type { AuditLog, Live, RequestsDocument, StoryQuestion } from '../admin.ts';
import { parseTopic } from '../admin.ts';
import { SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import {
  computeTopics,
  type DaemonControl,
  HistoryFeed,
  Hub,
  OverGateways,
  SeenReleases,
  type SharedControl,
  StoryStore,
  type Table,
  TrafficOfOthers,
  trafficText,
} from '../control.ts';
import type { StoryBatch } from '../model.ts';
import type { Fleet, TableChanges } from '../workers.ts';

/** How long an answer waits for the stories of a worker that does not answer, ms. */
const REFRESH_MS = 250;

export type LiveParts = {
  readonly table: Table;
  readonly fleet: Fleet;
  readonly shared: SharedControl;
  readonly control: DaemonControl;
  readonly audit: AuditLog;
  readonly log: Log;
};

export class LiveView implements Live {
  readonly #parts: LiveParts;
  readonly #feed: HistoryFeed;
  readonly #hub: Hub;
  readonly #stories: StoryStore;
  readonly #over: OverGateways;
  #unwatches: readonly (() => void)[] = [];

  constructor(parts: LiveParts) {
    this.#parts = parts;
    const { table, fleet, shared, control, audit, log } = parts;
    const versionOf = (server: string): string => shared.releases.version?.(server) ?? '';
    const feed = new HistoryFeed({
      ...{ table, fleet, versionOf },
      onSecond: () => shared.beside?.figures.say(() => this.#traffic()),
    });
    this.#feed = feed;
    const others = new TrafficOfOthers(shared.beside?.figures);
    const releases = new SeenReleases(() => shared.releases);
    const stories = new StoryStore({
      ...{ gateway: shared.document().name, versionOf },
      ownerOf: (upstream, server) => table.member(upstream, server)?.admin.owner ?? '',
    });
    this.#stories = stories;
    this.#over = new OverGateways({
      beside: shared.beside,
      scope: () => shared.others.scope,
      history: (...asked) => feed.read(...asked),
      requests: (question) => this.#kept(question),
    });
    this.#hub = new Hub({
      log,
      compute: (topics) =>
        computeTopics(
          {
            ...{ history: feed.history, stories, versionOf, status: () => control.known() },
            releases,
            nowMs: Date.now,
            others: ({ gateways }) => others.of(gateways, Date.now()),
            events: (count) => ({ events: audit.last(count), count: audit.count }),
          },
          topics,
        ),
      onWatched: (isWatched) => {
        shared.beside?.figures.look(isWatched);
        for (const unwatch of this.#unwatches) unwatch();
        const poke = (): void => this.#hub.poke();
        this.#unwatches = isWatched
          ? [
              ...[shared.watch(poke), audit.watch(poke), fleet.watch(poke)],
              ...[shared.releases.watch?.(poke) ?? (() => {})],
            ]
          : [];
      },
    });
  }

  /** @throws not_found */
  async #kept(question: StoryQuestion): Promise<Omit<RequestsDocument, 'scope'>> {
    const { table, fleet } = this.#parts;
    await fleet.refresh({ deadlineMs: REFRESH_MS, strict: false });
    const { upstream } = question;
    const isKnown = upstream === '' || table.upstream(upstream) !== undefined;
    if (!isKnown && !this.#stories.has(upstream)) {
      throw new SluiceError('not_found', `upstream "${upstream}": unknown`);
    }
    return this.#stories.read(question);
  }

  /** For the other gateways, while somebody looks on there. */
  #traffic(): string {
    const names = this.#parts.table.upstreams.map(({ config }) => config.name);
    return trafficText(this.#feed.history, names);
  }

  start(): void {
    this.#feed.start();
  }

  /** The table has changed. */
  changed(changes: TableChanges): void {
    this.#feed.changed(changes);
    this.#hub.poke();
  }

  readonly history: Live['history'] = (...asked) => this.#over.history(...asked);

  readonly requests: Live['requests'] = (question) => this.#over.requests(question);

  readonly told: Live['told'] = () => this.#stories.told();

  /** What a worker tells of its requests. */
  heard(worker: number, batch: StoryBatch): void {
    this.#stories.add(worker, batch);
  }

  readonly stream: Live['stream'] = (topics, after) => {
    for (const { kind, name } of topics.map(parseTopic)) {
      if (kind === 'pool' && this.#parts.table.upstream(name) === undefined) {
        throw new SluiceError('not_found', `upstream "${name}": unknown`);
      }
    }
    return this.#hub.open(topics, after);
  };

  /** Those who listen are told; the history goes on until `close`. */
  endStreams(): void {
    this.#hub.close();
  }

  close(): void {
    this.#hub.close();
    this.#feed.close();
  }
}
