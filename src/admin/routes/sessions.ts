// Sessions of browsers: a token given once becomes a cookie. Nothing is kept of them but which were ended:
// the cookie is signed with a key made of the gateway's own and the token's secret, so a session outlives a
// restart, and ends at once when its token is taken out of the configuration. Its role is the token's of now.

import type { NamedToken } from '../../model.ts';
import {
  cookieName,
  cookieValues,
  newSession,
  readSession,
  type Session,
  setCookie,
  tokenKey,
  writeSession,
} from './sessions/cookie.ts';

export type { Session } from './sessions/cookie.ts';
export { isSame } from './sessions/cookie.ts';
export { sessionKey } from './sessions/key.ts';
export { LoginLimit } from './sessions/login-limit.ts';

/** A session ends when nothing was asked for this long, and so long after the login in any case, s. */
const IDLE_MAX_S = 12 * 3600;
const AGE_MAX_S = 7 * 24 * 3600;
/** The cookie is written anew when it is this old, s: not with every answer. */
const RENEW_S = 60;
/** Ended ones that are remembered until they would have ended by themselves. */
const ENDED_MAX = 10_000;

export type SessionsOptions = {
  readonly key: Buffer;
  readonly isTls: boolean;
  /** Wall clock, ms. */
  readonly now?: () => number;
};

export type Found = { readonly session: Session; readonly token: NamedToken };

export class Sessions {
  readonly #key: Buffer;
  readonly #isTls: boolean;
  readonly #now: () => number;
  readonly #name: string;
  /** Ids, the one that was ended first in front. */
  readonly #ended = new Set<string>();

  constructor({ key, isTls, now = Date.now }: SessionsOptions) {
    this.#key = key;
    this.#isTls = isTls;
    this.#now = now;
    this.#name = cookieName(key, isTls);
  }

  /** Always a new one, whatever the browser came with. */
  open(token: NamedToken): { readonly session: Session; readonly cookie: string } {
    const session = newSession(tokenKey(this.#key, token), this.#nowS());
    return { session, cookie: this.#write(session, token) };
  }

  /** Undefined: there is none, or it is over. */
  find(header: string | undefined, tokens: readonly NamedToken[]): Found | undefined {
    for (const value of cookieValues(header, this.#name)) {
      for (const token of tokens) {
        const session = readSession(tokenKey(this.#key, token), value);
        if (session !== undefined && this.isOpen(session)) return { session, token };
      }
    }
    return undefined;
  }

  isOpen(session: Session): boolean {
    return !this.#ended.has(session.id) && this.untilS(session) > this.#nowS();
  }

  /** When it ends if nothing is asked any more, s. */
  untilS({ beganS, seenS }: Session): number {
    return Math.min(seenS + IDLE_MAX_S, beganS + AGE_MAX_S);
  }

  /** True while it has not ended by age: who follows a stream asks for nothing. */
  isYoung({ id, beganS }: Session): boolean {
    return !this.#ended.has(id) && beganS + AGE_MAX_S > this.#nowS();
  }

  /** The session with this request, and its cookie where that is to be written anew. */
  seen({ session, token }: Found): { readonly session: Session; readonly cookie?: string } {
    const nowS = this.#nowS();
    if (nowS - session.seenS < RENEW_S) return { session };
    const renewed = { ...session, seenS: nowS };
    return { session: renewed, cookie: this.#write(renewed, token) };
  }

  /** Returns the cookie that takes it away. */
  end(session: Session): string {
    this.#ended.add(session.id);
    const [oldest] = this.#ended;
    if (this.#ended.size > ENDED_MAX && oldest !== undefined) this.#ended.delete(oldest);
    return setCookie({ name: this.#name, value: '', maxAgeS: 0, isTls: this.#isTls });
  }

  #write(session: Session, token: NamedToken): string {
    return setCookie({
      name: this.#name,
      value: writeSession(tokenKey(this.#key, token), session),
      maxAgeS: this.untilS(session) - this.#nowS(),
      isTls: this.#isTls,
    });
  }

  #nowS(): number {
    return Math.floor(this.#now() / 1000);
  }
}
