// What a route is, and the types that come from its declaration: what goes in and what comes out, the
// same for the handler of the server and for the call of a client.

import type { ErrorCode } from '../../base/errors.ts';
import type { Role, TextAnswer } from '../../model.ts';
import type { Body, Parameter } from './requests.ts';
import type { Shape } from './shape.ts';
import type { OpenStream } from './stream.ts';

export type Route = {
  readonly method: 'GET' | 'POST';
  /** `/api/receipts/:id`; what stands for `:id` is percent-encoded. */
  readonly path: string;
  /**
   * The least that a token needs. anybody: answered without one; open: also while the program starts or
   * shuts down.
   */
  readonly role: Role | 'anybody' | 'open';
  /** By name; or the whole query string as it came, without `?`. */
  readonly query?: { readonly [name: string]: Parameter<unknown> } | 'raw';
  readonly body?: Body<unknown>;
  /** A JSON document, text of some content type, or events without an end. */
  readonly answer: Shape<unknown> | 'text' | 'stream';
  /** Of an answer; 200 where nothing is said. */
  readonly status?: number | { of(document: unknown): number };
  /** Not in the audit log: a runner does it all the time. */
  readonly isQuiet?: true;
  /** Its handler says what the audit log has of the body. */
  readonly tellsItself?: true;
  /** What its handler may refuse with, beside what every route may: see ROUTE_ERRORS. */
  readonly errors: readonly ErrorCode[];
};

/** The names in a path: `/api/upstreams/:upstream/receipts` has 'upstream'. */
type NameIn<Path extends string> = Path extends `${string}/:${infer Rest}`
  ? Rest extends `${infer Name}/${infer Behind}`
    ? Name | NameIn<`/${Behind}`>
    : Rest
  : never;

type QueryOf<Declared extends Route> = Declared extends { readonly query: 'raw' }
  ? { readonly query: string }
  : Declared extends { readonly query: infer Query }
    ? {
        readonly [Name in keyof Query]: Query[Name] extends Parameter<infer Value> ? Value : never;
      }
    : unknown;

type BodyOf<Declared extends Route> = Declared extends { readonly body: Body<infer Value> }
  ? { readonly body: Value }
  : unknown;

/** The names of the path, the query and the body in one object. */
export type InputOf<Declared extends Route> = {
  readonly [Name in NameIn<Declared['path']>]: string;
} & QueryOf<Declared> &
  BodyOf<Declared>;

export type AnswerOf<Declared extends Route> = Declared extends {
  readonly answer: Shape<infer Value>;
}
  ? Value
  : Declared extends { readonly answer: 'stream' }
    ? OpenStream
    : TextAnswer;

/** The status of an answer that is no error. */
export function statusOf(route: Route, answer: unknown): number {
  const { status = 200 } = route;
  return typeof status === 'number' ? status : status.of(answer);
}
