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
// Names match without regard to case and the first of two wins; unknown attributes are ignored.

import { type Address, formatAddress, parseAddress } from '../base/units.ts';
import type { Instance, Problem } from './instance.ts';

/** upsync decodes a value into 1024 bytes without looking: nginx beside us would be corrupted. */
const VALUE_BYTES_UPSYNC = 1023;
const WEIGHT_MAX = 65_535;
const MAX_FAILS_MAX = 1_000_000;
/** One day: longer is a unit mistaken. */
const FAIL_TIMEOUT_MAX_S = 86_400;

/** The attributes that decide whether a server takes traffic. */
export type Switch = 'down' | 'backup';

export type InstanceRead =
  | {
      readonly instance: Instance;
      /** What was not taken as it is written. */
      readonly problems: readonly Problem[];
      /** Attributes that say nothing readable: `down` is then true here, `backup` false. */
      readonly unreadable: readonly Switch[];
    }
  | { readonly problem: Problem };

export function readInstance(key: string, value: Uint8Array, prefix: string): InstanceRead {
  const fail = (message: string): InstanceRead => ({ problem: { key, message } });
  const place = readKey(key, prefix);
  if (typeof place === 'string') return fail(place);
  const attributes = readAttributes(value);
  if (typeof attributes === 'string') return fail(attributes);
  const problems: Problem[] = [];
  const say = (message: string): void => {
    problems.push({ key, message });
  };
  if (value.length > VALUE_BYTES_UPSYNC) {
    say(`value of ${value.length} bytes, upsync crashes beyond ${VALUE_BYTES_UPSYNC}; shorten it`);
  }
  const number = (range: Range): number => readNumber(attributes.get(range.name), range, say);
  const unreadable: Switch[] = [];
  const flag = (name: Switch): boolean | undefined => {
    const on = readSwitch(attributes.get(name));
    if (on !== undefined) return on;
    unreadable.push(name);
    say(`${name} ${show(attributes.get(name))} is neither 0 nor 1; write {"${name}":1} or 0`);
    return undefined;
  };
  const instance: Instance = {
    id: formatAddress(place.address),
    service: place.service,
    ...place.address,
    weight: number({ name: 'weight', least: 1, most: WEIGHT_MAX, otherwise: 1 }),
    maxFails: number({ name: 'max_fails', least: 0, most: MAX_FAILS_MAX, otherwise: 2 }),
    failTimeoutMs:
      1000 * number({ name: 'fail_timeout', least: 0, most: FAIL_TIMEOUT_MAX_S, otherwise: 10 }),
    down: flag('down') ?? true,
    backup: flag('backup') ?? false,
  };
  return { instance, problems, unreadable };
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

/** The attributes by lower-case name, or what is wrong. An empty value has none: all defaults. */
function readAttributes(value: Uint8Array): ReadonlyMap<string, unknown> | string {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    .toString()
    .replace(/^\ufeff/, '')
    .trim();
  if (text === '') return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return `value ${show(text)} is not JSON; write it like {"weight":1}`;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return `value ${show(text)} is not a JSON object; write it like {"weight":1}`;
  }
  const attributes = new Map<string, unknown>();
  for (const [name, attribute] of Object.entries(parsed)) {
    const lower = name.toLowerCase();
    if (!attributes.has(lower)) attributes.set(lower, attribute);
  }
  // Of two equal names upsync takes the first and JSON.parse the last: neither is what is meant.
  const written = text.match(/"down"\s*:/gi)?.length ?? 0;
  const parsedOnes = Object.keys(parsed).filter((name) => name.toLowerCase() === 'down').length;
  if (written > parsedOnes) return 'value has "down" twice; write it once';
  return attributes;
}

type Range = {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  readonly otherwise: number;
};

function readNumber(attribute: unknown, range: Range, say: (message: string) => void): number {
  const { name, least, most, otherwise } = range;
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
  say(`${name} ${show(attribute)} is not ${least} to ${most}, taken as ${otherwise}${advice}`);
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
