// What is remembered across a restart, and its checked reading from parsed JSON. Two files: intent
// (what operators and releases asked for; small, fsynced before it is acknowledged) and memory (what
// can be learnt again: membership, verdicts; larger, written a moment after it changed, where that is
// much work up to 30 s).

import { isIP } from 'node:net';
import {
  type Admin,
  type AdminState,
  attributesFrom,
  type Checks,
  type RecordAttributes,
} from '../model.ts';
import type { Instance, Membership, RecordProblem } from '../registry.ts';

/** An operator's or release's word about one server. */
export type Override = {
  readonly upstream: string;
  readonly server: string;
  /** Ready only where there is a `base`: otherwise that is the absence of an override. */
  readonly admin: Admin;
  /** The registry does not know it yet, and this is what it said when the word was spoken. */
  readonly base?: Admin;
};

export type RememberedVerdict = {
  readonly upstream: string;
  readonly server: string;
  readonly checks: Checks;
  readonly riseCount: number;
  readonly fallCount: number;
  readonly reason: string;
  readonly atMs: number;
};

/** The addresses that a server's name had last. */
export type RememberedName = { readonly name: string; readonly addresses: readonly string[] };

export type Memory = {
  readonly generation: number;
  /** By registry; one that never answered has none. */
  readonly memberships: ReadonlyMap<string, Membership>;
  readonly verdicts: readonly RememberedVerdict[];
  readonly names: readonly RememberedName[];
  /** Folders in which embedded registries have their data. */
  readonly dataDirs?: readonly string[];
};

/** Its membership stands where older versions have the only one, so that each reads the other's file. */
const UNNAMED = 'default';

/** Map → list of pairs: the form that JSON can carry. */
export function memoryToJson(memory: Memory): unknown {
  const { generation, memberships, verdicts, names, dataDirs = [] } = memory;
  const stored = (membership: Membership | undefined): unknown =>
    membership === undefined ? null : { ...membership, services: [...membership.services] };
  const others = [...memberships].filter(([registry]) => registry !== UNNAMED);
  return {
    generation,
    membership: stored(memberships.get(UNNAMED)),
    memberships: others.map(([registry, membership]) => [registry, stored(membership)]),
    verdicts,
    names,
    dataDirs,
  };
}

/** Undefined when any part is not what it should be: half a memory is not trusted. */
export function parseMemory(value: unknown): Memory | undefined {
  if (!isRecord(value) || !isCount(value['generation'])) return undefined;
  const verdicts = parseList(value['verdicts'], parseVerdict);
  // Snapshots of older versions have none.
  const names = parseList(value['names'] ?? [], parseName);
  if (verdicts === undefined || names === undefined) return undefined;
  const dataDirs = parseList(value['dataDirs'] ?? [], (dir) => (isText(dir) ? dir : undefined));
  if (dataDirs === undefined) return undefined;
  const others = parseList(value['memberships'] ?? [], parseNamedMembership);
  if (others === undefined) return undefined;
  const memberships = new Map(others);
  if (value['membership'] !== null) {
    const membership = parseMembership(value['membership']);
    if (membership === undefined) return undefined;
    memberships.set(UNNAMED, membership);
  }
  return { generation: value['generation'], memberships, verdicts, names, dataDirs };
}

export function parseGatewayId(value: unknown): string | undefined {
  return isRecord(value) && isText(value['id']) ? value['id'] : undefined;
}

export function parseOverrides(value: unknown): readonly Override[] | undefined {
  return isRecord(value) ? parseList(value['overrides'], parseOverride) : undefined;
}

function parseOverride(value: unknown): Override | undefined {
  if (!isRecord(value)) return undefined;
  const { upstream, server } = value;
  const admin = parseAdmin(value['admin']);
  if (!isText(upstream) || !isText(server) || admin === undefined) return undefined;
  if (value['base'] === undefined) return { upstream, server, admin };
  const base = parseAdmin(value['base']);
  return base === undefined ? undefined : { upstream, server, admin, base };
}

function parseAdmin(value: unknown): Admin | undefined {
  if (!isRecord(value)) return undefined;
  const { state, owner, reason, sinceMs } = value;
  if (!isAdminState(state) || !isText(owner) || !isText(reason) || !isNumber(sinceMs)) {
    return undefined;
  }
  return { state, owner, reason, sinceMs };
}

function parseVerdict(value: unknown): RememberedVerdict | undefined {
  if (!isRecord(value)) return undefined;
  const { upstream, server, checks, riseCount, fallCount, reason, atMs } = value;
  if (!isText(upstream) || !isText(server) || !isChecks(checks) || !isText(reason)) {
    return undefined;
  }
  if (!isCount(riseCount) || !isCount(fallCount) || !isNumber(atMs)) return undefined;
  return { upstream, server, checks, riseCount, fallCount, reason, atMs };
}

function parseName(value: unknown): RememberedName | undefined {
  if (!isRecord(value) || !isText(value['name'])) return undefined;
  const addresses = parseList(value['addresses'], (item) =>
    isText(item) && isIP(item) !== 0 ? item : undefined,
  );
  return addresses === undefined ? undefined : { name: value['name'], addresses };
}

function parseNamedMembership(value: unknown): readonly [string, Membership] | undefined {
  if (!Array.isArray(value) || !isText(value[0])) return undefined;
  const membership = parseMembership(value[1]);
  return membership === undefined ? undefined : [value[0], membership];
}

function parseMembership(value: unknown): Membership | undefined {
  if (!isRecord(value) || !isCount(value['index'])) return undefined;
  const services = parseList(value['services'], parseService);
  const problems = parseList(value['problems'], parseProblem);
  const held = parseList(value['held'], (item) => (isText(item) ? item : undefined));
  if (services === undefined || problems === undefined || held === undefined) return undefined;
  return { index: value['index'], services: new Map(services), problems, held };
}

function parseService(value: unknown): readonly [string, readonly Instance[]] | undefined {
  if (!Array.isArray(value) || !isText(value[0])) return undefined;
  const instances = parseList(value[1], parseInstance);
  return instances === undefined ? undefined : [value[0], instances];
}

function parseInstance(value: unknown): Instance | undefined {
  if (!isRecord(value)) return undefined;
  const { id, service, host, port } = value;
  if (!isText(id) || !isText(service) || !isText(host) || !isCount(port)) return undefined;
  let isGood = true;
  const attributes = attributesFrom<RecordAttributes>((attribute, field) => {
    const read = value[field];
    if (attribute.unit === 'flag') {
      isGood &&= typeof read === 'boolean';
      return read === true;
    }
    if (read === undefined && attribute.record.initial === null) return undefined;
    isGood &&= isCount(read) && read >= attribute.least;
    return isCount(read) ? read : undefined;
  });
  const note = value['isIntentDown'] === true ? { isIntentDown: true } : {};
  return isGood ? { id, service, host, port, ...attributes, ...note } : undefined;
}

function parseProblem(value: unknown): RecordProblem | undefined {
  if (!isRecord(value) || !isText(value['key']) || !isText(value['message'])) return undefined;
  // Snapshots of older versions do not say whose list or which server it concerns.
  const service = isText(value['service']) ? value['service'] : '';
  const server = isText(value['server']) ? value['server'] : '';
  return { service, server, key: value['key'], message: value['message'] };
}

function parseList<T>(
  value: unknown,
  parse: (item: unknown) => T | undefined,
): readonly T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const items: T[] = [];
  for (const item of value) {
    const parsed = parse(item);
    if (parsed === undefined) return undefined;
    items.push(parsed);
  }
  return items;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isAdminState(value: unknown): value is AdminState {
  return value === 'ready' || value === 'drain' || value === 'maint';
}

function isChecks(value: unknown): value is Checks {
  return value === 'unknown' || value === 'up' || value === 'down';
}
