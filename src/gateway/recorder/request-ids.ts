// The id of a request: in the access log, in the answers of the gateway's own, in its story, and, where the
// configuration says so, on its way to the server. It is made when somebody asks for it, so that a request of
// which nobody does costs nothing; the access log, which asks about each, makes do with its number. Not a secret and no proof of anything: it counts.

import { randomBytes } from 'node:crypto';

/** What a client may call its request. Longer or other ones are not taken. */
const VALID = /^[A-Za-z0-9._~+/=:@-]{1,128}$/;

/** Hexadecimal digits of the number in an id, at least. */
export const NUMBER_WIDTH = 8;

/** own: its own alone. send: it also goes to the server. trust: and a client's is taken for it. */
export type RequestIdMode = 'own' | 'send' | 'trust';

export class RequestIds {
  mode: RequestIdMode = 'own';
  /** What each of its own begins with. */
  readonly prefix: string;
  #count = 0;

  /** `prefix`: of this process and no other; a test brings its own. */
  constructor(prefix = randomBytes(8).toString('hex')) {
    this.prefix = prefix;
  }

  get isSent(): boolean {
    return this.mode !== 'own';
  }

  /** `given`: what the client calls it; '' = it does not, or it is not taken out of the head. */
  idOf(given: string): string {
    return this.takes(given) ? given : this.textOf(this.next());
  }

  /** The client's own one is the id. */
  takes(given: string): boolean {
    return this.mode === 'trust' && given !== '' && VALID.test(given);
  }

  /** The number of the next one of its own, from 1 on. */
  next(): number {
    this.#count += 1;
    return this.#count;
  }

  /** The id with that number. */
  textOf(number: number): string {
    return `${this.prefix}${number.toString(16).padStart(NUMBER_WIDTH, '0')}`;
  }
}

/** The client's own `X-Request-Id` among these field lines, where it is one that could be taken; else ''. */
export function clientIdIn(fields: string): string {
  const [, value = ''] = /^x-request-id: ([^\r]{1,128})\r$/im.exec(fields) ?? [];
  return VALID.test(value) ? value : '';
}

/** The trace that a W3C `traceparent` among these field lines names; else ''. */
export function traceIdIn(fields: string): string {
  const [, id = ''] =
    /^traceparent: [\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}/im.exec(fields) ?? [];
  return /^0*$/.test(id) ? '' : id.toLowerCase();
}
