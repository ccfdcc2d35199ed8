// Logging in with a browser: a token is exchanged for a cookie that scripts of a page cannot read.

import type { Role } from '../../model.ts';
import { type Body, parseObject, usage } from './requests.ts';
import type { Route } from './route.ts';
import { flag, number, object, text, type ValueOf, word } from './shape.ts';

/** Who the browser is for the control API. */
export const SESSION = object({
  /** A token is needed; false: the configuration has none. */
  required: flag,
  /** Of the token; '' = none is needed, or nobody is logged in. */
  name: text,
  /** '' = nobody is logged in. */
  role: word<Role | ''>(),
  /** What the header `x-sluice-csrf` must say with whatever is not GET; '' = without a cookie. */
  csrf: text,
  /** When the session ends if nothing is asked any more, ms; 0 = there is none. */
  untilMs: number,
});

export type SessionDocument = ValueOf<typeof SESSION>;

export type LoginRequest = { readonly token: string };

export const CSRF_HEADER = 'x-sluice-csrf';

const TOKEN_LENGTH_MAX = 4096;

export const LOGIN_BODY: Body<LoginRequest> = {
  names: ['token'],
  parse: (body) => {
    const { token } = parseObject(body, LOGIN_BODY.names);
    if (typeof token !== 'string' || token.length > TOKEN_LENGTH_MAX) {
      throw usage('token', `must be a text of at most ${TOKEN_LENGTH_MAX} characters`);
    }
    return { token };
  },
};

export const SESSION_ROUTES = {
  session: {
    method: 'GET',
    path: '/api/session',
    role: 'anybody',
    answer: SESSION,
    errors: [],
  },
  openSession: {
    method: 'POST',
    path: '/api/session',
    role: 'anybody',
    body: LOGIN_BODY,
    answer: SESSION,
    // It writes its own line in the audit log: the body is a secret.
    isQuiet: true,
    errors: ['too_many'],
  },
  endSession: {
    method: 'POST',
    path: '/api/session/end',
    role: 'read',
    answer: SESSION,
    errors: [],
  },
} as const satisfies Readonly<Record<string, Route>>;
