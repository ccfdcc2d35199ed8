// What a balancing key names in a request: its path, a header, a cookie, a query parameter. Values are
// taken as they came: two spellings of one path are two keys, as they are two entries of a cache.

import type { BalanceKey } from '../../model.ts';
import type { Forwarding } from '../forwarding.ts';
import type { RequestHead } from '../message.ts';

type Who = { readonly forwarding: Pick<Forwarding, 'client'> };

/** '' when the request has none of it. */
export function balanceKey(head: RequestHead, client: Who, key: BalanceKey): string {
  switch (key.kind) {
    case 'path':
      return pathOf(head.target);
    case 'uri':
      return head.target;
    case 'host':
      return head.host;
    case 'client':
      return client.forwarding.client(head);
    case 'header':
      return fieldValue(head.fields, key.name);
    case 'cookie':
      return cookieValue(head.fields, key.name);
    case 'query':
      return queryValue(head.target, key.name);
  }
}

function pathOf(target: string): string {
  const mark = target.indexOf('?');
  return mark === -1 ? target : target.slice(0, mark);
}

/** The first field of this lower-case name; `fields` are lines `Name: value CRLF`. */
function fieldValue(fields: string, name: string): string {
  const at = findField(fields, name, 0);
  return at === -1 ? '' : fields.slice(at, fields.indexOf('\r', at));
}

/** The first cookie of this name over all Cookie fields. Source: RFC 6265 4.2.1 and 5.4. */
function cookieValue(fields: string, name: string): string {
  for (let at = findField(fields, 'cookie', 0); at !== -1; at = findField(fields, 'cookie', at)) {
    const end = fields.indexOf('\r', at);
    let start = at;
    while (start < end) {
      let stop = fields.indexOf(';', start);
      if (stop === -1 || stop > end) stop = end;
      while (fields.charCodeAt(start) === SPACE) start += 1;
      if (fields.startsWith(name, start) && fields.charCodeAt(start + name.length) === EQUALS) {
        return fields.slice(start + name.length + 1, stop);
      }
      start = stop + 1;
    }
    at = end;
  }
  return '';
}

/** The first parameter of this name, as it stands in the target. */
function queryValue(target: string, name: string): string {
  let start = target.indexOf('?') + 1;
  while (start > 0) {
    if (target.startsWith(name, start) && target.charCodeAt(start + name.length) === EQUALS) {
      const end = target.indexOf('&', start);
      return target.slice(start + name.length + 1, end === -1 ? target.length : end);
    }
    start = target.indexOf('&', start) + 1;
  }
  return '';
}

const SPACE = 0x20;
const EQUALS = 0x3d;

/** Where the value of the next such field begins, from the line that holds `from` on; -1: none. */
function findField(fields: string, name: string, from: number): number {
  let start = from === 0 ? 0 : fields.indexOf('\n', from) + 1;
  while (start < fields.length) {
    const colon = start + name.length;
    if (fields.charCodeAt(colon) === 0x3a && isNameAt(fields, start, name)) return colon + 2;
    start = fields.indexOf('\n', start) + 1;
    if (start === 0) return -1;
  }
  return -1;
}

function isNameAt(fields: string, start: number, name: string): boolean {
  for (let index = 0; index < name.length; index += 1) {
    const code = fields.charCodeAt(start + index);
    const lower = code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
    if (lower !== name.charCodeAt(index)) return false;
  }
  return true;
}
