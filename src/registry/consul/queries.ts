// Plain GETs to any of several Consul addresses, for those who follow other parts of its API than the
// records: where to ask next after a failure and how long to wait is the transport's matter.

import type { Log } from '../../base/log.ts';
import type { ConsulReply, RequestFailure } from './http-request.ts';
import { type ConsulAccess, ConsulTransport } from './transport.ts';

export type { ConsulReply, RequestFailure } from './http-request.ts';

export type ConsulQueries = {
  /**
   * One GET at the address in use; after a failure the next one goes to the next address.
   * @throws registry_refused, … when the answer says no
   */
  get(
    path: string,
    options: {
      readonly timeoutMs: number;
      readonly signal: AbortSignal;
      /** Statuses that are answers beside 2xx and 404. */
      readonly answers?: readonly number[];
    },
  ): Promise<ConsulReply | RequestFailure>;
  /** Failures after which all addresses were asked. */
  readonly round: number;
  /** How long to wait after so many failures in a row. */
  pauseMs(failures: number): number;
  /** Another object after a token or a certificate changed. */
  access(): object;
  close(): void;
};

/** Opens a client; connects when first used. @throws config_invalid for files that cannot be used. */
export function openConsulQueries(
  options: ConsulAccess & { readonly log: Log; readonly random?: () => number },
): ConsulQueries {
  const transport = new ConsulTransport({ ...options, requestTimeoutMs: 0, nobodyMs: 0 });
  return {
    get: (path, { answers = [], ...options }) =>
      transport.try({ method: 'GET', path, answers }, options),
    round: transport.round,
    pauseMs: (failures) => transport.pauseMs(failures),
    access: () => transport.access,
    close: () => transport.close(),
  };
}
