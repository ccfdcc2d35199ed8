// What a write or a removal of records would do to the servers: read as gateways read records, put into the table
// as a supposition, compared with what is. Nothing is changed.

import type { KvEffectDocument, KvEffectQuestion } from '../../admin.ts';
import { type Instance, readInstance } from '../../registry.ts';
import {
  type EffectParts,
  eligibilityOf,
  eligibleIn,
  type Pool,
  supposedLists,
} from '../effect.ts';
import type { KnownUpstream } from '../table.ts';
import { heldWarning, ownWarning } from './entry-document.ts';
import { type LineQuestion, recordCli, recordCurl } from './lines.ts';
import { keysUnder, newestIndex, ownerOf, type RecordPlace } from './places.ts';

const REFRESH_MS = 250;
/** Servers that an answer names, over all upstreams. */
const SERVERS_MAX = 200;

type Asked = KvEffectQuestion & { readonly isClosed: boolean };
type UpstreamEffect = KvEffectDocument['upstreams'][number];

/** What happens to one upstream's list. */
type Change = {
  readonly written?: readonly Instance[];
  readonly removed?: ReadonlySet<string>;
};

type Reading = {
  /** By upstream. */
  readonly changes: ReadonlyMap<string, Change>;
  readonly says: readonly string[];
  readonly problems: readonly string[];
  readonly refusal: string;
};

export async function recordEffect(
  parts: EffectParts,
  place: RecordPlace,
  question: Asked,
): Promise<KvEffectDocument> {
  const { fleet, shared } = parts;
  const { key, remove } = question;
  const { keys, index, session } = await affected(place, question);
  const left = remove === '' ? new Map() : await idsLeft(place, keys);
  await fleet.refresh({ deadlineMs: REFRESH_MS, strict: false });
  const holder = session === '' ? '' : ((await place.store.holderOf?.(session)) ?? '');
  // From here on nothing is awaited: all of it is of one moment.
  const reading =
    remove === '' ? readWrite(parts, place, question) : readRemoval(place, keys, left);
  const upstreams = [...reading.changes].flatMap(([name, change]) => {
    const known = parts.table.upstream(name);
    return known === undefined ? [] : [upstreamEffect(parts, place, known, change)];
  });
  const own = keys.filter((one) => ownerOf(place, one) === 'sluice');
  const action = remove === '' ? 'write' : remove === 'entry' ? 'remove' : 'removePrefix';
  const refusal = own.length > 0 ? "it is sluice's own" : reading.refusal;
  const asked: LineQuestion = {
    ...{ ...question, registry: place.config.name, control: shared.document().control, index },
    count: keys.length,
    isDefault: place.config.name === parts.registries[0]?.config.name,
  };
  return {
    ...{ registry: place.config.name, key, action, allowed: refusal === '', refusal },
    level: levelOf(action, own.length > 0, upstreams),
    ...{ keys: keys.length, index, upstreams },
    says: [...reading.says, ...upstreams.flatMap((upstream) => saysOf(upstream))],
    problems: reading.problems,
    warnings: [
      ...[ownWarning(place, own[0] ?? ''), heldWarning(session, holder)].filter(Boolean),
      ...upstreams
        .filter(({ eligibleBefore, eligibleAfter }) => eligibleBefore > 0 && eligibleAfter === 0)
        .map(
          ({ name }) => `upstream "${name}" would have no eligible server: its requests get 503`,
        ),
    ],
    ...{ cli: recordCli(asked), curl: recordCurl(asked) },
  };
}

/** The keys that would be written or removed, and what a change goes by. */
async function affected(place: RecordPlace, { key, remove }: Asked) {
  if (remove === 'prefix') {
    const { entries } = await place.store.list(key);
    const keys = entries.map((entry) => entry.key);
    return { keys, index: newestIndex(entries), session: '' };
  }
  const entry = await place.store.get(key);
  const keys = entry === undefined && remove === 'entry' ? [] : [key];
  return { keys, index: entry?.modifyIndex ?? 0, session: entry?.session ?? '' };
}

/** By upstream: the servers that still have a record; a key may have folders between upstream and server. */
async function idsLeft(
  place: RecordPlace,
  removed: readonly string[],
): Promise<Map<string, Set<string>>> {
  const gone = new Set(removed);
  const left = new Map<string, Set<string>>();
  for (const { service } of removed.flatMap((key) => placeIn(place, key))) {
    if (left.has(service)) continue;
    const ids = new Set<string>();
    for (const key of await keysUnder(place, `${place.recordPrefix}${service}/`)) {
      if (gone.has(key)) continue;
      for (const { id } of placeIn(place, key)) ids.add(id);
    }
    left.set(service, ids);
  }
  return left;
}

/** The server that a key is of; none where it is of no server. */
function placeIn(place: RecordPlace, key: string): readonly Pick<Instance, 'service' | 'id'>[] {
  if (ownerOf(place, key) !== 'server') return [];
  const read = readInstance(key, Buffer.from('{}'), place.recordPrefix);
  return 'instance' in read ? [read.instance] : [];
}

function readRemoval(
  place: RecordPlace,
  keys: readonly string[],
  left: ReadonlyMap<string, ReadonlySet<string>>,
): Reading {
  const changes = new Map<string, { removed: Set<string> }>();
  for (const { service, id } of keys.flatMap((key) => placeIn(place, key))) {
    if (left.get(service)?.has(id) === true) continue;
    const change = changes.get(service) ?? { removed: new Set<string>() };
    change.removed.add(id);
    changes.set(service, change);
  }
  const says = [keys.length === 1 ? 'removes 1 key' : `removes ${keys.length} keys`];
  return { changes, says, problems: [], refusal: keys.length === 0 ? 'there is nothing' : '' };
}

/** As a gateway takes a record: what it cannot read leaves the server as it was. */
function readWrite({ table }: EffectParts, place: RecordPlace, { key, value }: Asked): Reading {
  const nothing = { changes: new Map(), says: [], problems: [], refusal: '' };
  if (ownerOf(place, key) !== 'server' || key.endsWith('/')) return nothing;
  const read = readInstance(key, Buffer.from(value), place.recordPrefix);
  const problems = ('problem' in read ? [read.problem] : read.problems).map(
    ({ message }) => message,
  );
  const [at] = placeIn(place, key);
  const list = table.memberships.get(place.config.name)?.services.get(at?.service ?? '') ?? [];
  const last = list.find(({ id }) => id === at?.id);
  if ('problem' in read) {
    const kept =
      last === undefined
        ? 'unreadable record: no server is added'
        : `unreadable record: ${last.id} keeps its last good state`;
    return { ...nothing, says: [kept], problems, refusal: 'gateways could not read it' };
  }
  let { instance } = read;
  if (last !== undefined) {
    for (const name of read.unreadable) instance = { ...instance, [name]: last[name] };
  }
  const { service } = instance;
  const isKnown = table.upstream(service) !== undefined;
  return {
    changes: new Map([[service, { written: [instance] }]]),
    says: isKnown ? [] : [`no gateway here has an upstream "${service}"`],
    problems,
    refusal: read.unreadable.length > 0 || read.breaksUpsync ? 'gateways could not read it' : '',
  };
}

function upstreamEffect(
  { table, fleet }: EffectParts,
  place: RecordPlace,
  { config, members }: KnownUpstream,
  change: Change,
): UpstreamEffect {
  const { name } = config;
  const figures = fleet.figures();
  const { memberships, isHeld } = supposedLists(table.memberships, {
    ...{ registry: place.config.name, service: name, mayBeEmpty: config.allowEmpty },
    ...change,
  });
  const before: Pool = { upstream: name, members, figures };
  const after: Pool = { ...before, members: table.supposed(name, { memberships }) };
  const ids = new Set([...before.members.keys(), ...after.members.keys()]);
  const look = (pool: Pool, id: string) => {
    const member = pool.members.get(id);
    return {
      eligibility: member === undefined ? '' : eligibilityOf(pool, id),
      weight: member?.state.weight ?? 0,
    };
  };
  const servers = [...ids].flatMap((server) => {
    const [was, is] = [look(before, server), look(after, server)];
    if (was.eligibility === is.eligibility && was.weight === is.weight) return [];
    return [
      {
        ...{ server, before: was.eligibility, after: is.eligibility },
        ...{ weightBefore: was.weight, weightAfter: is.weight },
      },
    ];
  });
  return {
    ...{ name, eligibleBefore: eligibleIn(before), eligibleAfter: eligibleIn(after) },
    ...{ serversBefore: before.members.size, serversAfter: after.members.size, held: isHeld },
    servers: servers.slice(0, SERVERS_MAX),
  };
}

function levelOf(
  action: KvEffectDocument['action'],
  isOwn: boolean,
  upstreams: readonly UpstreamEffect[],
): KvEffectDocument['level'] {
  const isLast = upstreams.some((one) => one.eligibleBefore > 0 && one.eligibleAfter === 0);
  if (isOwn || isLast || action === 'removePrefix') return 'type';
  return action === 'remove' || upstreams.some(({ servers }) => servers.length > 0)
    ? 'confirm'
    : 'light';
}

function saysOf(upstream: UpstreamEffect): readonly string[] {
  const { name, eligibleAfter, serversAfter, held, servers } = upstream;
  const left = `${eligibleAfter} of ${serversAfter} eligible`;
  if (held) return [`the last record of "${name}" goes, so its list is held as it is`];
  if (servers.length === 0) return [`no server of "${name}" changes`];
  return servers.map(({ server, before, after, weightBefore, weightAfter }) => {
    const why = after === 'ok' ? '' : ` (${after})`;
    if (before === '') return `adds ${server} to "${name}"${why}: ${left}`;
    if (after === '') return `removes ${server} from "${name}": leaves ${left}`;
    if (before === 'ok' && after !== 'ok') return `takes ${server} out${why}: leaves ${left}`;
    if (before !== 'ok' && after === 'ok') return `brings ${server} back: ${left}`;
    if (before !== after) return `${server}: ${before}, then ${after}`;
    return `weight of ${server}: ${weightBefore}, then ${weightAfter}`;
  });
}
