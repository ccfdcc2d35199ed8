// What is checked and what came of it, as plain data.

import type { Checks } from '../model.ts';

/** A kind of check: its word in the config, how it talks in probe.ts. */
export type CheckType = 'http' | 'https' | 'tcp' | 'tls';

export type StatusClass = 'http_1xx' | 'http_2xx' | 'http_3xx' | 'http_4xx' | 'http_5xx';

/** How a server is spoken to over TLS. Paths are absolute; '' = none. */
export type ProbeTls = {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** The name in its certificate; '' = its host. */
  readonly serverName: string;
  readonly verify: boolean;
  readonly minVersion: '1.2' | '1.3';
};

/** How the servers of one upstream are probed; the words are those of nginx's check module. */
export type CheckSpec = {
  readonly type: CheckType;
  readonly intervalMs: number;
  /** Connect and response together. */
  readonly timeoutMs: number;
  /** Passes in a row that bring a server up; failures in a row that take it down. */
  readonly rise: number;
  readonly fall: number;
  /** True: a newcomer takes no traffic until it has passed `rise` times. */
  readonly defaultDown: boolean;
  /** Port to probe; 0 = the server's own. */
  readonly port: number;
  /** For the types with TLS. */
  readonly tls?: ProbeTls | undefined;
  /** The raw bytes of the request, latin1; `{host}`, `{port}` and `{id}` are filled in. */
  readonly send: string;
  /**
   * What decides: `line`, the first status line, as in nginx's check module; `answer`, the final
   * status once the answer came whole, as with `path`.
   */
  readonly reads: 'line' | 'answer';
  /** Status classes that count as alive. */
  readonly expect: readonly StatusClass[];
};

/** What one probe needs to know. A release's check has one too: both ask a server the same way. */
export type ProbeSpec = Pick<
  CheckSpec,
  'type' | 'timeoutMs' | 'port' | 'tls' | 'send' | 'reads' | 'expect'
>;

/** The state of one server's checks after a probe. */
export type Verdict = {
  readonly upstream: string;
  readonly server: string;
  readonly checks: Checks;
  /** Passes, failures in a row; one of the two is 0. */
  readonly riseCount: number;
  readonly fallCount: number;
  /** What the last probe saw: `200 in 4ms`, `connect ECONNREFUSED`, `no answer within 1s`. */
  readonly reason: string;
  /** Wall clock of the last probe, ms. */
  readonly atMs: number;
  /** True when `checks` differs from the verdict before. */
  readonly changed: boolean;
};
