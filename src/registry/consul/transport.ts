// Requests to any of several registry addresses: the one that answered last is asked first, the next
// one when it fails; after a whole round of failures a pause with back-off and jitter. What may be
// repeated is decided here: a request whose outcome is unknown only when doing it twice is harmless.

import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../base/errors.ts';
import { type Address, formatAddress, formatDuration } from '../../base/units.ts';
import type { SourceHealth } from '../membership-source.ts';
import {
  type ConsulReply,
  type ConsulRequest,
  type RequestFailure,
  sendRequest,
} from './http-request.ts';

/** One try of a call that does not block. */
const TRY_TIMEOUT_MS = 5_000;
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 5_000;
/** Rounds in which every address refused the connection, after which nobody is there. */
const REFUSED_ROUNDS_MAX = 5;

export type TransportOptions = {
  readonly addresses: readonly Address[];
  readonly token: string;
  readonly requestTimeoutMs: number;
  readonly random: () => number;
};

export class ConsulTransport {
  readonly #options: TransportOptions;
  readonly #agent = new Agent({ keepAlive: true, keepAliveMsecs: 15_000, maxFreeSockets: 8 });
  readonly #closing = new AbortController();
  #current = 0;
  #health: SourceHealth;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#health = {
      reachable: false,
      address: formatAddress(this.#address()),
      lastContactMs: 0,
      trouble: '',
    };
  }

  get health(): SourceHealth {
    return this.#health;
  }

  /** Failures that make a round: each address once. */
  get round(): number {
    return Math.max(1, this.#options.addresses.length);
  }

  /** Aborted when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  close(): void {
    this.#closing.abort();
    this.#agent.destroy();
  }

  /**
   * Calls until an address gives an answer that is one (2xx or 404), within requestTimeoutMs.
   * @throws registry_unreachable, registry_refused, too_large, storage_full
   */
  async call(request: ConsulRequest, repeatable = true): Promise<ConsulReply> {
    const deadlineMs = performance.now() + this.#options.requestTimeoutMs;
    let refused = 0;
    for (let failures = 1; ; failures++) {
      const leftMs = deadlineMs - performance.now();
      const timeoutMs = Math.max(1, Math.min(TRY_TIMEOUT_MS, leftMs));
      const outcome = await this.try(request, timeoutMs, this.closing, !repeatable);
      if (!('reason' in outcome)) return outcome;
      if (!repeatable && outcome.sent) throw unknownOutcome(request, outcome);
      refused = outcome.sent ? 0 : refused + 1;
      const pauseMs = this.pauseMs(failures);
      const nobody = refused >= REFUSED_ROUNDS_MAX * this.round;
      if (nobody || performance.now() + pauseMs > deadlineMs || this.closing.aborted) {
        this.failed(outcome.reason);
        throw this.#unreachable(outcome, nobody);
      }
      await delay(pauseMs, undefined, { signal: this.closing }).catch(() => {});
    }
  }

  /** One try at the current address; when it fails, the next try goes to the next address. */
  async try(
    request: ConsulRequest,
    timeoutMs: number,
    signal: AbortSignal,
    fresh = false,
  ): Promise<ConsulReply | RequestFailure> {
    const address = this.#address();
    const { token } = this.#options;
    const options = { address, agent: this.#agent, token, timeoutMs, signal, fresh };
    const answer = await sendRequest(request, options);
    let outcome: ConsulReply | RequestFailure | undefined;
    try {
      outcome = judge(answer, address, request.answers);
    } finally {
      const failed = outcome === undefined || 'reason' in outcome;
      if (failed && this.#address() === address) this.#current++;
    }
    if (!('reason' in outcome)) {
      this.#health = {
        reachable: true,
        address: formatAddress(address),
        lastContactMs: Date.now(),
        trouble: '',
      };
    }
    return outcome;
  }

  /** Notes that no address gives an answer. */
  failed(trouble: string): void {
    this.#health = { ...this.#health, reachable: false, trouble };
  }

  /** How long to wait after this many failures in a row: nothing inside a round of all addresses. */
  pauseMs(failures: number): number {
    if (failures % this.round !== 0) return 0;
    const doublings = Math.min(failures / this.round - 1, 10);
    const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** doublings);
    return backoffMs * (0.5 + this.#options.random() / 2);
  }

  #address(): Address {
    const { addresses } = this.#options;
    return addresses[this.#current % addresses.length] ?? { host: '127.0.0.1', port: 8500 };
  }

  #unreachable(last: RequestFailure, nobody: boolean): SluiceError {
    const { addresses, requestTimeoutMs } = this.#options;
    const tried = addresses.map(formatAddress).join(', ');
    const cause = nobody ? 'nobody listens' : `no answer in ${formatDuration(requestTimeoutMs)}`;
    return new SluiceError(
      'registry_unreachable',
      `registry ${tried}: ${cause} (last: ${last.reason}); start the registry or correct its addresses`,
      { details: { addresses: addresses.map(formatAddress), reason: last.reason } },
    );
  }
}

/**
 * Sorts an answer: one to use, one that another address or a later time may better (a failure), or
 * one that says no. @throws registry_refused, too_large, storage_full
 */
function judge(
  outcome: ConsulReply | RequestFailure,
  address: Address,
  answers: readonly number[] = [],
): ConsulReply | RequestFailure {
  if ('reason' in outcome) return outcome;
  const { status, body, knownLeader } = outcome;
  const isUsable = (status >= 200 && status < 300) || status === 404 || answers.includes(status);
  if (isUsable && knownLeader) return outcome;
  const at = formatAddress(address);
  if (isUsable) return { address, reason: `${at}: has no leader, its data may be old`, sent: true };
  const text = body.toString('utf8', 0, 200).trim();
  const said = text === '' ? `${status}` : `${status} ${JSON.stringify(text)}`;
  if (status === 507) throw new SluiceError('storage_full', `registry ${at}: ${text}`);
  if (status === 413) throw new SluiceError('too_large', `registry ${at}: ${text}`);
  if (status === 401 || status === 403) {
    throw new SluiceError('registry_refused', `registry ${at}: ${said}; check the token`);
  }
  if (status === 429 || (status >= 500 && status !== 501)) {
    // Without a leader nothing was begun.
    const sent = status !== 429 && !text.includes('No cluster leader');
    return { address, reason: `${at}: answered ${said}`, sent };
  }
  throw new SluiceError(
    'registry_refused',
    `registry ${at}: ${said}; is it a Consul-compatible registry?`,
  );
}

function unknownOutcome({ method, path }: ConsulRequest, failure: RequestFailure): SluiceError {
  return new SluiceError(
    'registry_unreachable',
    `registry: ${method} ${path}: it is unknown whether it was done (${failure.reason}); read the record and decide`,
    { details: { outcomeUnknown: true, reason: failure.reason } },
  );
}
