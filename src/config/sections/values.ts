// The kinds of value that a key can hold: duration, size, number, switch, choice, address, text.
// Each carries its default as the file would write it, one sentence of documentation, and an error
// that says what is wrong with the value and what to write instead.

import { z } from 'zod';
import { didYouMean } from '../../base/suggest.ts';
import { type Address, parseAddress, parseDuration, parseSize } from '../../base/units.ts';
import { SERVER_ATTRIBUTES } from '../../model.ts';

/** The longest timer that Node can hold is 24.8 days. */
const DURATION_MS_MAX = 24 * 86_400_000;
const TEXT_LENGTH_MAX = 4096;
const ATTRIBUTE_NAMES = new Set<string>(Object.values(SERVER_ATTRIBUTES).map(({ name }) => name));

/** Words for what is 0 here. */
const NO_LIMIT = /^(unlimited|infinite|infinity|inf|none|never|off|no)$/i;

type Raw = { readonly input?: unknown };

/** A value as an error shows it: short, on one line, never a whole map. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return 'no value';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** A duration with its unit, in milliseconds. `least` is `0` where zero means off. */
export function duration(options: { about: string; initial: string; least?: string }) {
  return durationValue(options.least).prefault(options.initial).meta(durationMeta(options));
}

/** Without a default. */
export function optionalDuration(options: { about: string; least?: string }) {
  return durationValue(options.least).meta(durationMeta(options)).optional();
}

function durationMeta(options: { about: string; least?: string }) {
  const isOff = options.least === '0';
  return {
    description: options.about,
    'x-value': isOff ? 'duration, 0 = off' : 'duration',
  };
}

function durationValue(least = '1ms') {
  const leastMs = least === '0' ? 0 : (parseDuration(least) ?? 1);
  const wrong = ({ input }: Raw): string => {
    if (NO_LIMIT.test(String(input)) && leastMs === 0)
      return `${show(input)} is not a duration; write 0`;
    if (input === 0) return `0 is too short; write at least ${least}`;
    if (typeof input === 'number') {
      return `${input} has no unit: a duration needs one; write ${input}s or ${input}ms`;
    }
    return `${show(input)} is not a duration; write a number with a unit: 500ms, 5s, 1m30s, 2h`;
  };
  return z.union([z.string(), z.literal(0)], { error: wrong }).transform((value, context) => {
    const ms = value === 0 && leastMs === 0 ? 0 : parseDuration(String(value));
    const text =
      ms === undefined
        ? wrong({ input: /^\d+(\.\d+)?$/.test(String(value)) ? Number(value) : value })
        : ms < leastMs
          ? `${show(value)} is too short; write at least ${least}`
          : ms > DURATION_MS_MAX
            ? `${show(value)} is too long; write at most 24d`
            : '';
    if (ms !== undefined && text === '') return ms;
    context.addIssue({ code: 'custom', message: text });
    return z.NEVER;
  });
}

/** Bytes: a number, or one with k, m or g. */
export function size(options: {
  about: string;
  initial: string | number;
  least: number;
  most: number;
}) {
  const { least, most } = options;
  const wrong = ({ input }: Raw): string =>
    `${show(input)} is not a size; write bytes or a number with k, m or g: 8k`;
  return z
    .union([z.number(), z.string()], { error: wrong })
    .transform((value, context) => {
      const bytes = parseSize(String(value));
      if (bytes !== undefined && bytes >= least && bytes <= most) return bytes;
      const message =
        bytes === undefined
          ? wrong({ input: value })
          : `${show(value)} is out of range; write a size from ${sizeText(least)} to ${sizeText(most)}`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .prefault(options.initial)
    .meta({ description: options.about, 'x-value': least === 0 ? 'size, 0 = no limit' : 'size' });
}

function sizeText(bytes: number): string {
  for (const [unit, letter] of [
    [1024 ** 3, 'g'],
    [1024 ** 2, 'm'],
    [1024, 'k'],
  ] as const) {
    if (bytes >= unit && bytes % unit === 0) return `${bytes / unit}${letter}`;
  }
  return String(bytes);
}

export function integer(options: { about: string; initial: number; least: number; most: number }) {
  return wholeNumber(options).prefault(options.initial);
}

/** Without a default. */
export function wholeNumber(options: { about: string; least: number; most: number }) {
  const { least, most } = options;
  const wrong = ({ input }: Raw): string =>
    NO_LIMIT.test(String(input)) && least === 0
      ? `${show(input)} is not a number; write 0`
      : `${show(input)} is not a whole number from ${least} to ${most}; ${
          typeof input === 'number' ? 'write one in that range' : 'write digits alone'
        }`;
  return z
    .number({ error: wrong })
    .refine((value) => Number.isInteger(value) && value >= least && value <= most, { error: wrong })
    .meta({
      description: options.about,
      minimum: least,
      maximum: most,
      'x-value': `${least}–${most}`,
    });
}

/** A share, written with its sign: 0 to 1. */
export function percent(options: { about: string; initial: string }) {
  const wrong = ({ input }: Raw): string =>
    typeof input === 'number'
      ? `${input} has no sign: a share needs one; write ${input}%`
      : `${show(input)} is not a share; write 0% to 100%, like ${options.initial}`;
  return z
    .union([z.string(), z.literal(0)], { error: wrong })
    .transform((value, context) => {
      const share = /^(\d{1,3}(?:\.\d{1,6})?) ?%$/.exec(String(value))?.[1] ?? String(value);
      if (value === 0 || (share !== value && Number(share) <= 100)) return Number(share) / 100;
      const input = /^\d+(\.\d+)?$/.test(String(value)) ? Number(value) : value;
      context.addIssue({ code: 'custom', message: wrong({ input }) });
      return z.NEVER;
    })
    .prefault(options.initial)
    .meta({ description: options.about, 'x-value': '0%–100%' });
}

/** A number that need not be whole. */
export function factor(options: { about: string; initial: number; most: number }) {
  const wrong = ({ input }: Raw): string =>
    `${show(input)} is not a number from 0 to ${options.most}; write one like ${options.initial}`;
  return z
    .number({ error: wrong })
    .refine((value) => value >= 0 && value <= options.most, { error: wrong })
    .prefault(options.initial)
    .meta({ description: options.about, 'x-value': `0–${options.most}` });
}

/** YAML's own true and false, and nginx's on and off (text to YAML 1.2). */
export function onOff(options: { about: string; initial: 'on' | 'off' }) {
  return z
    .union([z.boolean(), z.enum(['on', 'off'])], {
      error: ({ input }) => `${show(input)} is neither on nor off; write on or off`,
    })
    .transform((value) => value === true || value === 'on')
    .prefault(options.initial)
    .meta({ description: options.about, 'x-value': 'on, off' });
}

export function choice<const Words extends readonly string[]>(options: {
  about: string;
  initial: Words[number];
  words: Words;
}) {
  return word(options.words)
    .prefault(options.initial)
    .meta({ description: options.about, 'x-value': options.words.join(', ') });
}

/** A choice of a table of words, each with what it means; the table is part of the documentation. */
export function choiceOf<Word extends string>(options: {
  about: string;
  initial: NoInfer<Word>;
  meanings: Readonly<Record<Word, string>>;
  /** What follows the meanings. */
  more?: string;
}) {
  const { about, initial, meanings, more = '' } = options;
  // Object.keys forgets the type of the keys.
  const words = Object.keys(meanings) as Word[];
  const each = words.map((one) => `\`${one}\`: ${meanings[one]}`).join('; ');
  return choice({ about: `${about} ${each}.${more}`, initial, words });
}

/** A choice that may be left out. */
export function optionalChoice<const Words extends readonly string[]>(options: {
  about: string;
  words: Words;
}) {
  return word(options.words)
    .meta({ description: options.about, 'x-value': options.words.join(', ') })
    .optional();
}

function word<const Words extends readonly string[]>(words: Words) {
  return z.enum(words, {
    error: ({ input }) => {
      // A status where its class belongs: `200`, `2xx`.
      const digit = /^([1-5])(?:\d\d|xx)$/i.exec(String(input))?.[1];
      const near = words.find((one) => digit !== undefined && one.endsWith(`${digit}xx`));
      const advice =
        near !== undefined
          ? `write ${near}`
          : typeof input === 'string'
            ? didYouMean(input, words)
            : `write ${words.join(' or ')}`;
      return `${show(input)} is not a choice; ${advice}`;
    },
  });
}

/** Text that `problemOf` may refuse; it answers '' for good text. */
export function text(options: {
  about: string;
  kind: string;
  problemOf?: (text: string) => string;
}) {
  return z
    .string({
      error: ({ input }) =>
        `${show(input)} where ${withArticle(options.kind)} belongs; write text, in quotes if YAML reads it otherwise`,
    })
    .superRefine((value, context) => {
      const message =
        value.length > TEXT_LENGTH_MAX
          ? `is ${value.length} characters long; write at most ${TEXT_LENGTH_MAX}`
          : value.includes('\0')
            ? 'holds a NUL character; remove it'
            : (options.problemOf?.(value) ?? '');
      if (message !== '') context.addIssue({ code: 'custom', message });
    })
    .meta({ description: options.about, 'x-value': options.kind });
}

function withArticle(kind: string): string {
  return kind === 'text' ? kind : `a ${kind}`;
}

/** Where a server is: host and port 1–65535. */
export function address(about: string) {
  return addressOf(about, 1, '127.0.0.1:9001');
}

/** Where we listen: port 0 lets the system choose. */
export function listenAddress(about: string) {
  return addressOf(about, 0, '127.0.0.1:8080');
}

function addressOf(about: string, portMin: number, example: string) {
  return z
    .string({ error: ({ input }) => addressProblem(input, portMin, example) })
    .transform((value, context): Address => {
      const isZero = portMin === 0 && value.endsWith(':0');
      const parsed = parseAddress(isZero ? value.replace(/0$/, '1') : value);
      if (parsed !== undefined) return isZero ? { host: parsed.host, port: 0 } : parsed;
      context.addIssue({ code: 'custom', message: addressProblem(value, portMin, example) });
      return z.NEVER;
    })
    .meta({ description: about, 'x-value': 'host:port' });
}

function addressProblem(input: unknown, portMin: number, example: string): string {
  const shown = show(input);
  if (typeof input === 'number' || (typeof input === 'string' && /^:?\d+$/.test(input))) {
    const port = String(input).replace(':', '');
    return `${shown} is a port without a host; write 127.0.0.1:${port}`;
  }
  if (typeof input !== 'string') {
    const remedy = Array.isArray(input) ? `"[::1]:9001" in quotes, or ${example}` : example;
    return `${shown} is not host:port; write ${remedy}`;
  }
  const url = /^([a-z+]+):\/\/([^/?#]*)/i.exec(input);
  if (url !== null) return urlProblem(shown, url[1] ?? '', url[2] ?? '', example);
  const port = /^(?:\[[^\]]*\]|[^:]*):(-?\d+)$/.exec(input)?.[1];
  if (port !== undefined && !(Number(port) >= portMin && Number(port) <= 65_535)) {
    return `port ${port} of ${shown} is not between ${portMin} and 65535; write a port like ${example}`;
  }
  if (/^[0-9a-f]*:[0-9a-f:]+$/i.test(input) && input.split(':').length > 2) {
    return `${shown} is IPv6 without brackets; write "[::1]:9001" in quotes`;
  }
  if (input.startsWith('unix:') || input.startsWith('/')) {
    return `${shown} is a socket of the file system, which is not offered; write host:port, like ${example}`;
  }
  if (/^\*:\d{1,5}$/.test(input)) return `${shown} has no host; write 0.0.0.0${input.slice(1)}`;
  const words = input
    .replace(/^server\s+/, '')
    .replace(/;$/, '')
    .split(/[\s,]+/);
  const [first = '', second = ''] = words;
  if (words.length > 1 && input.length <= 200 && parseAddress(first) !== undefined) {
    if (parseAddress(second) !== undefined)
      return `${shown} is more than one address; write a list: [${first}, ${second}]`;
    const [name = '', value = 'on'] = second.split('=');
    if (portMin > 0 && ATTRIBUTE_NAMES.has(name)) {
      return `${shown} is an address with attributes; write a map: { address: ${first}, ${name}: ${value.slice(0, 20)} }`;
    }
    return `${shown} has words after the address; write ${first}`;
  }
  if (/[;,]$/.test(input))
    return `${shown} ends in ${input.at(-1)}, which YAML does not need; remove it`;
  if (!input.includes(':')) {
    const own = `${input}:${example.split(':')[1]}`;
    const isHost =
      /^(?=.*\.)[\w.-]{1,60}$|^localhost$/.test(input) && parseAddress(own) !== undefined;
    return `${shown} has no port; write ${isHost ? own : example}`;
  }
  return `${shown} is not host:port; write an IP address or a host name with a port, like ${example}`;
}

/** A URL is more than we can do, or it is host:port with an http:// before it. */
function urlProblem(shown: string, scheme: string, authority: string, example: string): string {
  const own = parseAddress(authority) === undefined ? `${authority}:80` : authority;
  const isKnown = authority.length <= 60 && parseAddress(own) !== undefined;
  if (/^(https|wss|tls|ssl|grpcs|h2)$/i.test(scheme)) {
    const address = isKnown ? own.replace(/:80$/, ':443') : example;
    return `${shown} is a URL; write ${address}, and tls: {} in the upstream`;
  }
  if (/^(http|ws|tcp)$/i.test(scheme)) {
    return `${shown} is a URL; write host:port, like ${isKnown ? own : example}`;
  }
  return `${shown} is a URL; write host:port, like ${example}`;
}
