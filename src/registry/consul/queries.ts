// Plain GETs to any of several Consul addresses, for those who follow other parts of its API than the
// records: where to ask next after a failure and how long to wait is the transport's matter.

import type { Address } from '../../base/units.ts';
import type { ConsulReply, RequestFailure } from './http-request.ts';
import { ConsulTransport } from './transport.ts';

export type { ConsulReply, RequestFailure } from './http-request.ts';

export type ConsulQueries = {
  /**
   * One GET at the address in use; after a failure the next one goes to the next address.
   * @throws registry_refused, … when the answer says no
   */
  get(
    path: string,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<ConsulReply | RequestFailure>;
  /** Failures after which all addresses were asked. */
  readonly round: number;
  /** How long to wait after so many failures in a row. */
  pauseMs(failures: number): number;
  close(): void;
};

/** Opens a client; connects when first used. At least one address. */
export function openConsulQueries(options: {
  readonly addresses: readonly Address[];
  readonly token?: string;
  readonly random?: () => number;
}): ConsulQueries {
  const transport = new ConsulTransport({
    addresses: options.addresses,
    token: options.token ?? '',
    requestTimeoutMs: 0,
    random: options.random ?? Math.random,
  });
  return {
    get: (path, { timeoutMs, signal }) => transport.try({ method: 'GET', path }, timeoutMs, signal),
    round: transport.round,
    pauseMs: (failures) => transport.pauseMs(failures),
    close: () => transport.close(),
  };
}
