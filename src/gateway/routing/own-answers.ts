// Answers that the gateway gives itself because no server could. A client is told what it can act
// on and nothing about what is behind the gateway; the reason, which names upstreams, servers and
// their states, is for the operator: in the access log, now and then in the log, and in a field of
// the answer where the configuration asks for it.

import type { Log } from '../../base/log.ts';
import type { TextAnswer } from '../../model.ts';
import type { Upstream } from '../../upstream.ts';
import type { OwnResponse } from '../message.ts';
import { RareLine } from '../rare-line.ts';
import type { Wheel } from '../wheel.ts';

/** What a client is told, by status; other statuses are the client's own doing and say what it did. */
const TEXTS: Readonly<Record<number, string>> = {
  301: 'please use https',
  308: 'please use https',
  403: 'forbidden',
  404: 'nothing is served at this address',
  502: 'no server gave a valid answer',
  503: 'no server is available, please try again',
  504: 'no server answered in time',
};

/** For a 503 without an upstream that could tell better, seconds. */
const RETRY_AFTER_S = 5;

export type OwnAnswer = {
  readonly status: number;
  readonly reason: string;
  /** Whose servers could not answer; undefined: no route, or no such upstream. */
  readonly upstream: Upstream | undefined;
  /** Of the request; '' = none. */
  readonly id?: string;
  /** Instead of a text. */
  readonly page?: TextAnswer | undefined;
  /** Where else the client is to ask; '' = nowhere. */
  readonly location?: string;
};

/** What an answer has beside its status. */
export type OwnParts = Pick<OwnAnswer, 'page' | 'location'>;

export type OwnAnswersOptions = {
  readonly log: Log;
  readonly wheel: Wheel;
  readonly isReasonShown: boolean;
  readonly now: () => number;
};

export class OwnAnswers {
  readonly #log: Log;
  #isReasonShown: boolean;
  readonly #wheel: Wheel;
  readonly #now: () => number;
  /** By status and upstream. */
  readonly #said = new Map<string, { readonly line: RareLine; reason: string }>();

  constructor(options: OwnAnswersOptions) {
    this.#log = options.log;
    this.#isReasonShown = options.isReasonShown;
    this.#wheel = options.wheel;
    this.#now = options.now;
  }

  showReason(isShown: boolean): void {
    this.#isReasonShown = isShown;
  }

  compose(answer: OwnAnswer): OwnResponse {
    const nowMs = this.#now();
    const { status, reason, upstream, page, id = '', location = '' } = answer;
    if (status >= 500) this.#note(answer);
    let fields = `Content-Type: ${page?.contentType ?? 'text/plain'}\r\n`;
    if (location !== '') fields += `Location: ${location}\r\n`;
    if (page !== undefined) fields += 'Cache-Control: no-store\r\n';
    // Here it is a page that knows no other method.
    if (status === 405) fields += 'Allow: GET, HEAD\r\n';
    if (status === 503) {
      fields += `Retry-After: ${upstream?.retryAfterSeconds(nowMs) ?? RETRY_AFTER_S}\r\n`;
    }
    if (status >= 400 && id !== '') fields += `X-Request-Id: ${id}\r\n`;
    if (this.#isReasonShown && reason !== '') fields += `X-Sluice-Reason: ${printable(reason)}\r\n`;
    return { status, fields, body: page?.body ?? `sluice: ${TEXTS[status] ?? reason}\n` };
  }

  /** The reason is that of the last such answer. */
  #note({ status, reason, upstream }: OwnAnswer): void {
    const name = upstream?.name ?? '';
    const key = `${status} ${name}`;
    let said = this.#said.get(key);
    if (said === undefined) {
      const line = new RareLine(this.#wheel, (requests) => {
        const fields = { upstream: name, status, requests, reason: said?.reason };
        this.#log.warn(fields, 'the gateway answered instead of a server');
      });
      said = { line, reason };
      this.#said.set(key, said);
    }
    said.reason = reason;
    said.line.note();
  }

  /** Says what is left to say. */
  close(): void {
    for (const { line } of this.#said.values()) line.close();
  }
}

function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').trim();
}
