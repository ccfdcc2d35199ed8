// The recent past as columns: what a graph draws, without a Prometheus. Every column has a value per slot,
// oldest first; slot `i` begins at `startMs + i × stepMs`.

import { SCOPE } from './documents.ts';
import { type Parameter, TEXT, usage } from './requests.ts';
import { either, flag, list, nothing, number, object, text, type ValueOf, word } from './shape.ts';

export type HistorySpan = '5m' | '1h';
export const HISTORY_SPANS: readonly HistorySpan[] = ['5m', '1h'];

const COUNTS = list(number);
/** null: no answer in that time. Of several gateways: the highest, above which that of all answers is not. */
const TIMES = list(either(number, nothing));

export const HISTORY = object({
  upstream: text,
  span: word<HistorySpan>(),
  startMs: number,
  stepMs: number,
  slots: number,
  series: list(
    object({
      kind: word<'upstream' | 'version' | 'server'>(),
      /** The version or the server; '' = the upstream. */
      name: text,
      requests: COUNTS,
      failures: COUNTS,
      errors: COUNTS,
      inFlight: COUNTS,
      p50Ms: TIMES,
      p99Ms: TIMES,
    }),
  ),
  marks: list(
    object({
      atMs: number,
      server: text,
      what: word<'joined' | 'left' | 'eligibility' | 'weight' | 'version'>(),
      from: text,
      to: text,
      /** Of its admin state by then. */
      owner: text,
    }),
  ),
  /** False: there were more servers than are kept, or shown. */
  complete: flag,
  /** Whose traffic it is. */
  scope: SCOPE,
});

export type HistoryDocument = ValueOf<typeof HISTORY>;

export const HISTORY_QUESTION = object({
  upstream: text,
  /** '' = the upstream and its versions, `*` = all servers. */
  server: text,
  span: word<HistorySpan>(),
});

export type HistoryQuestion = ValueOf<typeof HISTORY_QUESTION>;

export const UPSTREAM_NAME: Parameter<string> = {
  parse: (value) => {
    if (value === undefined || value === '') throw usage('upstream', 'must name an upstream');
    return value;
  },
  format: String,
};

/** '' = the upstream and its versions, `*` = all servers. */
export const SERVER_NAME = TEXT;

/** '' = all that were heard together, `own` = the one that is asked, or the id of another one. */
export const GATEWAY_CHOICE = TEXT;

export const SPAN: Parameter<HistorySpan> = {
  parse: (value = '5m') => {
    const span = HISTORY_SPANS.find((known) => known === value);
    if (span !== undefined) return span;
    throw usage('span', `must be ${HISTORY_SPANS.join(' or ')}`);
  },
  format: String,
};
