// What a balancing key names in a request: its path, a header, a cookie, a query parameter. Values are
// taken as they came: two spellings of one path are two keys, as they are two entries of a cache.

import type { BalanceKey } from '../../model.ts';
import { cookieValue, fieldValue } from '../field-values.ts';
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

const EQUALS = 0x3d;
