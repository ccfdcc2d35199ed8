// The schema of balancing: the method, its key, sticky clients.

import { z } from 'zod';
import { BALANCES, type Balancing } from '../../model.ts';
import { section } from './shapes.ts';
import { choice, choiceOf, duration, integer, onOff, show, text } from './values.ts';

export const HASH_KEY_INITIAL = 'path';

/** In words that are not fields of the request. */
const PLAIN_KEYS = ['path', 'uri', 'host', 'client'] as const;
const NAMED_KEYS = ['header', 'cookie', 'query'] as const;
/** Fields that the gateway takes out or sets itself, and what says the same. */
const TAKEN: Readonly<Record<string, string>> = {
  host: 'host',
  'x-real-ip': 'client',
  'x-forwarded-for': 'client',
  'x-forwarded-host': 'host',
  forwarded: 'client',
};

export const balanceKeys = {
  balance: choiceOf({
    about: 'How the next server is chosen.',
    initial: 'round_robin',
    meanings: BALANCES,
    more: ' See balancing.md.',
  }),
  hash_key: text({
    about:
      'For `hash`: `path`, `uri` (with the query), `host`, `client` (its address), `header:NAME`, `cookie:NAME` or `query:NAME`. Requests without it go round robin.',
    kind: 'hash key',
    problemOf: keyProblem,
  }).prefault(HASH_KEY_INITIAL),
  hash_balance_factor: integer({
    about:
      "For `hash`: no server has more in flight than this per cent of the mean; 0 = any. HAProxy's word.",
    initial: 0,
    least: 0,
    most: 10_000,
  }),
  sticky: section('A cookie keeps each client at the server that answered it first.', {
    cookie: text({
      about: 'Its name.',
      kind: 'cookie name',
      problemOf: (value) =>
        isToken(value) ? '' : `${show(value)} is not a cookie name; write one like sluice`,
    }).prefault('sluice'),
    path: text({
      about: 'Its Path.',
      kind: 'path',
      problemOf: (value) =>
        /^\/[\x21-\x3a\x3c-\x7e]*$/.test(value)
          ? ''
          : `${show(value)} is not a cookie path; write one like /`,
    }).prefault('/'),
    domain: text({
      about: 'Its Domain; empty = the host of the request alone.',
      kind: 'domain',
      problemOf: (value) =>
        /^[A-Za-z0-9.-]*$/.test(value)
          ? ''
          : `${show(value)} is not a domain; write one like app.example`,
    }).prefault(''),
    max_age: duration({
      about: 'How long the browser keeps it; 0 = until it is closed.',
      initial: '0s',
      least: '0',
    }),
    secure: onOff({ about: 'Only over TLS.', initial: 'off' }),
    http_only: onOff({ about: 'Not for scripts.', initial: 'on' }),
    same_site: choice({
      about: 'Its SameSite.',
      initial: 'lax',
      words: ['lax', 'strict', 'none'],
    }),
  }).optional(),
};

function keyProblem(value: string): string {
  const colon = value.indexOf(':');
  const kind = colon === -1 ? value : value.slice(0, colon);
  const name = colon === -1 ? '' : value.slice(colon + 1);
  if (colon === -1 && PLAIN_KEYS.some((word) => word === kind)) return '';
  if (NAMED_KEYS.some((word) => word === kind)) {
    if (colon === -1 || name === '') return `${show(value)} names none; write ${kind}:name`;
    if (kind === 'header' && TAKEN[name.toLowerCase()] !== undefined) {
      return `${show(value)}: that field is the gateway's own; write ${TAKEN[name.toLowerCase()]}`;
    }
    if (kind === 'query' ? /^[\x21-\x25\x27-\x3c\x3e-\x7e]+$/.test(name) : isToken(name)) return '';
    return `${show(value)} holds signs that a ${kind} name has not; write ${kind}:name`;
  }
  const nginx = /^\$(http|cookie|arg)_(\w+)$/.exec(value);
  const word = { http: 'header', cookie: 'cookie', arg: 'query' }[nginx?.[1] ?? ''];
  const inNginx = (nginx?.[2] ?? '').replaceAll('_', word === 'header' ? '-' : '_');
  const remedy =
    word === undefined
      ? 'path, uri, host, client, header:NAME, cookie:NAME or query:NAME'
      : `${word}:${inNginx}`;
  return `${show(value)} is not a hash key; write ${remedy}`;
}

function isToken(value: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(value);
}

type BalanceFile = z.output<z.ZodObject<typeof balanceKeys>>;

export function balancingOf(read: BalanceFile): Balancing {
  const [kind = '', name = ''] = split(read.hash_key);
  return {
    method: read.balance,
    // The schema has refused all other words.
    key: {
      kind: kind as Balancing['key']['kind'],
      name: kind === 'header' ? name.toLowerCase() : name,
    },
    loadMax: read.hash_balance_factor,
    sticky:
      read.sticky === undefined
        ? null
        : { cookie: read.sticky.cookie, attributes: attributesOf(read.sticky) },
  };
}

function split(key: string): readonly string[] {
  const colon = key.indexOf(':');
  return colon === -1 ? [key] : [key.slice(0, colon), key.slice(colon + 1)];
}

function attributesOf(sticky: NonNullable<BalanceFile['sticky']>): string {
  const { path, domain, max_age: maxAgeMs, secure, http_only: httpOnly } = sticky;
  const sameSite = { lax: 'Lax', strict: 'Strict', none: 'None' }[sticky.same_site];
  return [
    `; Path=${path}`,
    domain === '' ? '' : `; Domain=${domain}`,
    maxAgeMs === 0 ? '' : `; Max-Age=${Math.ceil(maxAgeMs / 1000)}`,
    secure ? '; Secure' : '',
    httpOnly ? '; HttpOnly' : '',
    `; SameSite=${sameSite}`,
  ].join('');
}
