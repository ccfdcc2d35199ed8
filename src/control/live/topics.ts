// What each topic of the live stream says at this moment: objects by id, so that a change is a small patch, and no
// null anywhere, because in a patch that takes a key away. What is not known is left out.

import {
  type EventDocument,
  type EventsTopic,
  type OverviewTopic,
  type PoolTopic,
  parseTopic,
  type ReleasesTopic,
  type ReleaseTopic,
  type RequestsTopic,
  type SecondFigures,
  type StatusDocument,
  type StoryDocument,
  type UpstreamDocument,
  type UpstreamRow,
} from '../../admin.ts';
import { isSluiceError } from '../../base/errors.ts';
import type { History } from '../../history.ts';
import { attentionOf } from './attention.ts';
import type { SeenReleases } from './seen-releases.ts';
import { serviceRows } from './service-rows.ts';

const RELEASES_MAX = 20;
const EVENTS_MAX = 100;

export type TopicSources = {
  /** As it was reported last: nobody is asked. */
  readonly status: () => StatusDocument;
  readonly history: Pick<History, 'newest'>;
  readonly versionOf: (server: string) => string;
  readonly releases: SeenReleases;
  readonly nowMs: () => number;
  readonly stories: {
    newest(): readonly (readonly [seq: number, story: StoryDocument])[];
    readonly leftOut: number;
  };
  /** The newest, oldest first, and how many there were. */
  readonly events: (count: number) => {
    readonly events: readonly EventDocument[];
    readonly count: number;
  };
};

export async function computeTopics(
  sources: TopicSources,
  topics: readonly string[],
): Promise<ReadonlyMap<string, object>> {
  const status = sources.status();
  const states = await Promise.all(
    topics.map(async (topic) => [topic, await stateOf(sources, status, topic)] as const),
  );
  return new Map(states);
}

async function stateOf(
  sources: TopicSources,
  status: StatusDocument,
  topic: string,
): Promise<object> {
  const { kind, name } = parseTopic(topic);
  switch (kind) {
    case 'overview':
      return overview(sources, status);
    case 'events': {
      const { events, count } = sources.events(EVENTS_MAX);
      const first = count - events.length;
      const byPlace = Object.fromEntries(events.map((event, place) => [first + place, event]));
      return { events: byPlace } satisfies EventsTopic;
    }
    case 'requests': {
      const { stories } = sources;
      const shown = stories.newest().map(([seq, { waitMs, ...story }]) => {
        return [String(seq), waitMs === null ? story : { ...story, waitMs }] as const;
      });
      const { leftOut } = stories;
      return { requests: Object.fromEntries(shown), leftOut } satisfies RequestsTopic;
    }
    case 'pool': {
      const upstream = status.upstreams.find((one) => one.name === name);
      return upstream === undefined ? { gone: true } : pool(sources, upstream);
    }
    case 'release':
      try {
        return await release(sources.releases, name);
      } catch (error) {
        if (isSluiceError(error)) return { trouble: { code: error.code, message: error.message } };
        throw error;
      }
  }
}

async function overview(sources: TopicSources, status: StatusDocument): Promise<OverviewTopic> {
  const { version, generation, gateways, registry, registries, upstreams } = status;
  const services = await serviceRows(sources.releases);
  return {
    ...{ version, generation, services, attention: attentionOf(status, services, sources.nowMs()) },
    gateways: byId(gateways.map(({ id, index: _, ...gateway }) => [id, gateway] as const)),
    registries: byId(
      [registry, ...registries].map(
        ({ name, kind, address, reachable, trouble, lastContactMs }) =>
          // A registry that answers was heard just now, and would change all the time.
          [
            name,
            { kind, address, reachable, trouble, lastContactMs: reachable ? 0 : lastContactMs },
          ] as const,
      ),
    ),
    upstreams: byId(upstreams.map((upstream) => [upstream.name, row(sources, upstream)] as const)),
  };
}

function row(sources: TopicSources, upstream: UpstreamDocument): UpstreamRow {
  const { name, balance, eligible, servers, problems } = upstream;
  const eligibility = new Map<string, number>();
  const versions = new Map<string, number>();
  for (const server of servers) {
    eligibility.set(server.eligibility, (eligibility.get(server.eligibility) ?? 0) + 1);
    const version = sources.versionOf(server.id);
    if (version !== '') versions.set(version, (versions.get(version) ?? 0) + 1);
  }
  return {
    ...{ balance, eligible, servers: servers.length, problems: problems.length },
    ...{ eligibility: Object.fromEntries(eligibility), versions: Object.fromEntries(versions) },
    ...figures(sources, name, ''),
  };
}

function pool(sources: TopicSources, upstream: UpstreamDocument): PoolTopic {
  const { name, problems } = upstream;
  return {
    ...row(sources, upstream),
    problems,
    servers: byId(
      upstream.servers.map(({ id, ...server }) => {
        const { lastSecond } = figures(sources, name, id);
        return [id, { ...server, version: sources.versionOf(id), lastSecond }] as const;
      }),
    ),
  };
}

/** Of the last second; a time only where there was an answer. */
function figures(
  { history }: TopicSources,
  upstream: string,
  server: string,
): { readonly inFlight: number; readonly lastSecond: SecondFigures } {
  const newest = history.newest(upstream, server);
  const [requests = 0, failures = 0, errors = 0] = [
    ...[newest?.requests[0], newest?.failures[0], newest?.errors[0]],
  ];
  const [p50 = Number.NaN, p99 = Number.NaN] = [newest?.p50Ms[0], newest?.p99Ms[0]];
  const times = Number.isNaN(p50) ? {} : { p50Ms: tenths(p50), p99Ms: tenths(p99) };
  const perSecond = {
    requests: tenths(requests),
    failures: tenths(failures),
    errors: tenths(errors),
  };
  return { inFlight: newest?.inFlight[0] ?? 0, lastSecond: { ...perSecond, ...times } };
}

async function release(records: SeenReleases, name: string): Promise<ReleasesTopic | ReleaseTopic> {
  const [service = '', id = ''] = name.split('/');
  if (id === '') {
    const { shared, lock, stale, releases } = await records.history(service);
    const { holder, asked, beat: _, ...rest } = lock ?? { holder: null, asked: null, beat: 0 };
    const held = { ...(holder === null ? {} : { holder }), ...(asked === null ? {} : { asked }) };
    return {
      ...{ shared, stale, lock: { ...rest, ...held } },
      releases: byId(
        releases.slice(0, RELEASES_MAX).map((summary) => [summary.release, summary] as const),
      ),
    };
  }
  const journal = await records.journal(service, id);
  return {
    summary: journal.summary,
    records: byId(
      journal.records.map(({ seq, data, ...record }) => {
        // What is kept for a resume has whatever the configuration has.
        const { settings: _, ...shown } = data;
        // As text: there may be a null in it.
        return [String(seq), { ...record, data: JSON.stringify(shown) }] as const;
      }),
    ),
  };
}

function byId<Value>(
  entries: readonly (readonly [string, Value])[],
): Readonly<Record<string, Value>> {
  return Object.fromEntries(entries);
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
