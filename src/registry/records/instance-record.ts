// A record `<prefix><service>/<host:port>` read as an instance. Pure. The rules are upsync's (see the
// table in docs/registry.md), with these differences: what cannot be read is said, never taken for
// "up"; IPv6 addresses and host names are accepted; a backup is a backup.
//
// attribute     default  as upsync                              reported, and then
// weight        1        integer or its text, fraction cut      not 1..65535: 1 (too large: 65535)
// max_fails     2        the same, from 0                       otherwise: 2 (too large: clamped)
// fail_timeout  10       whole seconds, from 0                  otherwise: 10 (too large: clamped)
// down          0        1, "1", true / 0, "0", false           otherwise: unreadable
// backup        0        the same                               otherwise: unreadable
// max_conns     the file's, else no limit; ours, upsync has none; 0..1000000, otherwise: as left out
// Names match without regard to case and the first of two wins. What is not read is said, except
// names that begin with `x-` or `_`, and `meta` and `tags`: notes that are nobody's mistake.

import { didYouMean } from '../../base/suggest.ts';
import { type Address, formatAddress, parseAddress } from '../../base/units.ts';
import {
  ATTRIBUTE_FIELDS,
  attributesFrom,
  type FlagName,
  type RecordAttributes,
  SERVER_ATTRIBUTES,
  type ServerAttributes,
  unitOf,
} from '../../model.ts';
import type { Instance, RecordProblem } from './instance.ts';

/** upsync decodes a value into 1024 bytes without looking: nginx beside us would be corrupted. */
const VALUE_BYTES_UPSYNC = 1023;

const KNOWN: readonly string[] = Object.values(SERVER_ATTRIBUTES).map(({ name }) => name);

/** Words of other programs for what is meant. */
const SYNONYMS: Readonly<Record<string, string>> = {
  disabled: 'down',
  disable: 'down',
  maint: 'down',
  maintenance: 'down',
  drain: 'down',
  maxconn: 'max_conns',
  max_connections: 'max_conns',
  timeout: 'fail_timeout',
  fails: 'max_fails',
};
const NOTES = /^(x-|_|meta$|tags$)/i;
/** Names that are not read, in one message. */
const NAMES_SHOWN_MAX = 3;

/** The note beside a `down` that an intent wrote; see docs/design/gateways.md. */
export const INTENT_NOTE = 'x-sluice-down';

export type InstanceRead =
  | {
      readonly instance: Instance;
      /** What was not taken as it is written. */
      readonly problems: readonly RecordProblem[];
      /** Attributes that say nothing readable: `down` is then true here, `backup` false. */
      readonly unreadable: readonly FlagName[];
      /** An nginx with upsync that follows the same registry would crash on it. */
      readonly breaksUpsync: boolean;
    }
  | { readonly problem: RecordProblem };

export function readInstance(key: string, value: Uint8Array, prefix: string): InstanceRead {
  const service = serviceOf(key, prefix);
  const place = readKey(key, prefix);
  const server = typeof place === 'string' ? '' : formatAddress(place.address);
  const problemOf = (message: string): RecordProblem => ({ service, server, key, message });
  const fail = (message: string): InstanceRead => ({ problem: problemOf(message) });
  if (typeof place === 'string') return fail(place);
  const attributes = readAttributes(value);
  if (typeof attributes === 'string') return fail(attributes);
  const problems: RecordProblem[] = [];
  const say = (message: string): void => {
    problems.push(problemOf(message));
  };
  const breaksUpsync = value.length > VALUE_BYTES_UPSYNC;
  if (breaksUpsync) {
    say(`value of ${value.length} bytes, upsync crashes beyond ${VALUE_BYTES_UPSYNC}; shorten it`);
  }
  sayNames(attributes, say);
  const number = (range: Range): number | null => readNumber(attributes.values, range, say);
  const unreadable: FlagName[] = [];
  const flag = (name: FlagName): boolean | undefined => {
    const on = readSwitch(attributes.values.get(name));
    if (on !== undefined) return on;
    unreadable.push(name);
    say(
      `${name} ${show(attributes.values.get(name))} is neither 0 nor 1; write {"${name}":1} or 0`,
    );
    return undefined;
  };
  const isIntentDown = attributes.values.get(INTENT_NOTE) === 1;
  const instance: Instance = {
    id: server,
    service: place.service,
    ...place.address,
    ...attributesFrom<RecordAttributes>((attribute) => {
      if (attribute.unit === 'flag') return flag(attribute.name) ?? attribute.record.unreadable;
      const { name, least, record } = attribute;
      const value = number({ name, least, most: record.most, otherwise: record.initial });
      return value === null ? undefined : value * unitOf(attribute);
    }),
    ...(isIntentDown ? { isIntentDown } : {}),
  };
  return { instance, problems, unreadable, breaksUpsync };
}

/** The attributes as a record has them; what it may leave to the file is left out at the file's default. */
export function recordOf(server: ServerAttributes): Record<string, number> {
  const record: Record<string, number> = {};
  for (const field of ATTRIBUTE_FIELDS) {
    const attribute = SERVER_ATTRIBUTES[field];
    const value = Number(server[field]);
    if (attribute.unit === 'flag') record[attribute.name] = value;
    else if (attribute.record.initial !== null || value !== attribute.file.initial) {
      record[attribute.name] = value / unitOf(attribute);
    }
  }
  return record;
}

function serviceOf(key: string, prefix: string): string {
  const end = key.startsWith(prefix) ? key.indexOf('/', prefix.length) : -1;
  return end === -1 ? '' : key.slice(prefix.length, end);
}

/** Service and address of a key, or what is wrong with it. Segments between the two are ignored. */
export function readKey(
  key: string,
  prefix: string,
): { readonly service: string; readonly address: Address } | string {
  if (!key.startsWith(prefix)) return `not under "${prefix}"`;
  const segments = key.slice(prefix.length).split('/');
  const service = segments[0] ?? '';
  const last = segments.at(-1) ?? '';
  if (segments.length < 2 || service === '') {
    return `expected ${prefix}<upstream>/<host:port>`;
  }
  const address = parseAddress(last);
  if (address === undefined) return `"${last}" is not host:port with a port of 1 to 65535`;
  return { service, address };
}

type Attributes = {
  /** By lower-case name; the first of two spellings. */
  readonly values: ReadonlyMap<string, unknown>;
  /** As they are written. */
  readonly names: readonly string[];
  /** Names that stand twice in the same spelling: JSON.parse keeps the last, upsync the first. */
  readonly twice: readonly string[];
};

/** The attributes, or what is wrong. An empty value has none: all defaults. */
function readAttributes(value: Uint8Array): Attributes | string {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    .toString()
    .replace(/^\ufeff/, '')
    .trim();
  if (text === '') return { values: new Map(), names: [], twice: [] };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return `value ${show(text)} is not JSON; write it like {"weight":1}`;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return `value ${show(text)} is not a JSON object; write it like {"weight":1}`;
  }
  const values = new Map<string, unknown>();
  const names = Object.keys(parsed);
  for (const [name, attribute] of Object.entries(parsed)) {
    const lower = name.toLowerCase();
    if (!values.has(lower)) values.set(lower, attribute);
  }
  const twice = KNOWN.filter((known) => {
    const written = text.match(new RegExp(`"${known}"\\s*:`, 'gi'))?.length ?? 0;
    return written > names.filter((name) => name.toLowerCase() === known).length;
  });
  // Neither of the two is what is meant, and it decides about traffic.
  if (twice.includes('down')) return 'value has "down" twice; write it once';
  return { values, names, twice };
}

/** Names that mean nothing here, or that others may not understand. */
function sayNames({ names, twice }: Attributes, say: (message: string) => void): void {
  const unread: string[] = [];
  for (const name of names) {
    const lower = name.toLowerCase();
    if (KNOWN.includes(lower)) {
      if (name !== lower) say(`${show(name)} is taken as "${lower}"; did you mean "${lower}"?`);
    } else if (!NOTES.test(name)) {
      const synonym = Object.hasOwn(SYNONYMS, lower) ? SYNONYMS[lower] : undefined;
      const advice = synonym === undefined ? didYouMean(name, KNOWN) : `did you mean "${synonym}"?`;
      unread.push(`attribute ${show(name)} is not read; ${advice}`);
    }
  }
  for (const message of unread.slice(0, NAMES_SHOWN_MAX)) say(message);
  const more = unread.length - NAMES_SHOWN_MAX;
  if (more > 0) say(`and ${more} more attributes that are not read`);
  for (const name of twice) say(`"${name}" stands twice, and the last counts; write it once`);
}

type Range = {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  /** Null: it is left out. */
  readonly otherwise: number | null;
};

function readNumber(
  attributes: ReadonlyMap<string, unknown>,
  range: Range,
  say: (message: string) => void,
): number | null {
  const { name, least, most, otherwise } = range;
  const attribute = attributes.get(name);
  if (attribute === undefined || attribute === null) return otherwise;
  const value =
    typeof attribute === 'number'
      ? Math.trunc(attribute)
      : typeof attribute === 'string' && /^\d+$/.test(attribute)
        ? Number(attribute)
        : Number.NaN;
  if (value > most) {
    say(`${name} ${show(attribute)} is over ${most}, taken as ${most}`);
    return most;
  }
  if (value >= least) return value;
  const advice =
    name === 'weight' && value === 0 ? ', as upsync does; {"down":1} takes it out' : '';
  const taken = otherwise === null ? 'not counted' : `taken as ${otherwise}`;
  say(`${name} ${show(attribute)} is not ${least} to ${most}, ${taken}${advice}`);
  return otherwise;
}

/** Undefined when it says neither. An absent attribute is off. */
function readSwitch(attribute: unknown): boolean | undefined {
  if (attribute === undefined) return false;
  if (attribute === 1 || attribute === '1' || attribute === true) return true;
  if (attribute === 0 || attribute === '0' || attribute === false) return false;
  return undefined;
}

/** A value as it may stand in a message: short, one line. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
