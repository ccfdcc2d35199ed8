// The id of a request: in the access log, in the answers of the gateway's own, in its story, and, where the
// configuration says so, on its way to the server. It is made when somebody asks for it, so that a request of
// which nobody does costs nothing. Not a secret and no proof of anything: it counts.

import { randomBytes } from 'node:crypto';

/** What a client may call its request. Longer or other ones are not taken. */
const VALID = /^[A-Za-z0-9._~+/=:@-]{1,128}$/;

/** own: its own alone. send: it also goes to the server. trust: and a client's is taken for it. */
export type RequestIdMode = 'own' | 'send' | 'trust';

export class RequestIds {
  mode: RequestIdMode = 'own';
  readonly #prefix: string;
  #count = 0;

  /** `prefix`: of this process and no other; a test brings its own. */
  constructor(prefix = randomBytes(8).toString('hex')) {
    this.#prefix = prefix;
  }

  get isSent(): boolean {
    return this.mode !== 'own';
  }

  /** `given`: what the client calls it; '' = it does not, or it is not taken out of the head. */
  idOf(given: string): string {
    if (this.mode === 'trust' && given !== '' && VALID.test(given)) return given;
    this.#count += 1;
    return `${this.#prefix}${this.#count.toString(16).padStart(8, '0')}`;
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
