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
  type StatusDocument,
  type StoryDocument,
  type Traffic,
  type UpstreamDocument,
  type UpstreamRow,
} from '../../admin.ts';
import { isSluiceError } from '../../base/errors.ts';
import type { History } from '../../history.ts';
import { attentionOf } from './attention.ts';
import type { OtherTraffic } from './other-traffic.ts';
import type { SeenReleases } from './seen-releases.ts';
import { serviceRows } from './service-rows.ts';
import { secondOf, shown, sumOf } from './traffic.ts';

const RELEASES_MAX = 20;
const EVENTS_MAX = 100;

export type TopicSources = {
  /** As it was reported last: nobody is asked. */
  readonly status: () => StatusDocument;
  readonly history: Pick<History, 'seconds'>;
  /** What the other gateways say of theirs. */
  readonly others: (status: StatusDocument) => readonly OtherTraffic[];
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
  const others = sources.others(status);
  const states = await Promise.all(
    topics.map(
      async (topic) => [topic, await stateOf(sources, { status, others }, topic)] as const,
    ),
  );
  return new Map(states);
}

type Known = { readonly status: StatusDocument; readonly others: readonly OtherTraffic[] };

async function stateOf(
  sources: TopicSources,
  { status, others }: Known,
  topic: string,
): Promise<object> {
  const { kind, name } = parseTopic(topic);
  switch (kind) {
    case 'overview':
      return overview(sources, { status, others });
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
      return upstream === undefined ? { gone: true } : pool(sources, others, upstream);
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

async function overview(sources: TopicSources, { status, others }: Known): Promise<OverviewTopic> {
  const { version, generation, gateways, registry, registries, upstreams } = status;
  const services = await serviceRows(sources.releases);
  return {
    ...{ version, generation, services, attention: attentionOf(status, services, sources.nowMs()) },
    unheard: others.filter(({ pools }) => pools === undefined).map(({ name }) => name),
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
    upstreams: byId(
      upstreams.map((upstream) => [upstream.name, row(sources, others, upstream)] as const),
    ),
  };
}

function row(
  sources: TopicSources,
  others: readonly OtherTraffic[],
  upstream: UpstreamDocument,
): UpstreamRow {
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
    ...trafficOf(sources, others, name)(''),
  };
}

function pool(
  sources: TopicSources,
  others: readonly OtherTraffic[],
  upstream: UpstreamDocument,
): PoolTopic {
  const { name, problems } = upstream;
  const traffic = trafficOf(sources, others, name);
  return {
    ...row(sources, others, upstream),
    problems,
    ...(others.length === 0
      ? {}
      : {
          gateways: byId(
            others.map(
              ({ id, name: title, pools }) =>
                [id, { name: title, isHeard: pools !== undefined }] as const,
            ),
          ),
        }),
    servers: byId(
      upstream.servers.map(({ id, inFlight, ...server }) => {
        const { inFlight: _, ...figures } = traffic(id);
        // What workers say of it twice a second is newer than its last second.
        return [id, { ...server, inFlight, version: sources.versionOf(id), ...figures }] as const;
      }),
    ),
  };
}

/** Here in the last second, and over all gateways where there are others. */
function trafficOf(
  { history }: TopicSources,
  others: readonly OtherTraffic[],
  upstream: string,
): (server: string) => Traffic & { readonly sum?: Traffic; readonly elsewhere?: ById<Traffic> } {
  const { own, servers } = history.seconds(upstream);
  const here = { own, servers, isWhole: true };
  const heard = others.flatMap(({ id, pools }) => {
    return pools === undefined ? [] : [[id, pools.get(upstream)] as const];
  });
  return (server) => {
    const second = secondOf(here, server);
    if (others.length === 0) return shown(second);
    const there = heard.map(([id, pool]) => [id, secondOf(pool, server)] as const);
    return {
      ...shown(second),
      sum: shown(sumOf([second, ...there.map(([, one]) => one)])),
      elsewhere: byId(there.map(([id, one]) => [id, shown(one)] as const)),
    };
  };
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

type ById<Value> = Readonly<Record<string, Value>>;

function byId<Value>(entries: readonly (readonly [string, Value])[]): ById<Value> {
  return Object.fromEntries(entries);
}
