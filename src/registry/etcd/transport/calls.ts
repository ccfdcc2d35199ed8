// Requests to any of the addresses: the one in use first, the next one when it fails, with a pause after
// a whole round. Every request may be repeated: doing it twice is the same as doing it once, or it has a
// condition that its first time makes false. Then a later "no" may be the doing of an earlier try, which
// the caller hears by `onDoubt`. A login that is refused is renewed.

import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../../base/errors.ts';
import { type Address, formatAddress, formatDuration } from '../../../base/units.ts';
import type { Endpoints } from './endpoints.ts';
import type { EtcdReply, EtcdRequest, RequestFailure } from './http-request.ts';

/** Longer than a cluster needs for a new leader. */
const REQUEST_TIMEOUT_MS = 20_000;
/** One try; twice as long after each whole round. A member without a leader says nothing for 7 s. */
const TRY_FIRST_MS = 1_000;
const TRY_MAX_MS = 10_000;
/** One with a condition: long enough for an election, so that it is not repeated without need. */
const CONDITIONAL_TRY_MS = 3_000;
/** One address that refuses is an etcd that does not run; all of a cluster may be restarting. */
const NOBODY_MS = 1_500;
const NOBODY_OF_MANY_MS = 10_000;
const LOGINS_MAX = 2;

/** Who we are: what stands in the header `Authorization`. */
export type Login = {
  /** '' = nothing is needed. @throws registry_refused for a wrong user or password */
  authorization(address: Address): Promise<string | RequestFailure>;
  /** This one was refused. False: there is no other. */
  refused(authorization: string): boolean;
};

/** Sorts an answer: to use, a failure, or 'login'. @throws registry_refused, too_large, storage_full */
export type Judge = (reply: EtcdReply, address: Address) => EtcdReply | RequestFailure | 'login';

export type CallOptions = {
  /** Given for a request with a condition: a try was sent and not answered, so it may have been done. */
  readonly onDoubt?: (failure: RequestFailure) => void;
  /** All tries together. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly judge?: Judge;
};

export class Calls {
  readonly endpoints: Endpoints;
  readonly #login: Login;
  readonly #judge: Judge;
  readonly #requestTimeoutMs: number;

  constructor(options: {
    readonly endpoints: Endpoints;
    readonly login: Login;
    readonly judge: Judge;
    readonly requestTimeoutMs: number | undefined;
  }) {
    this.endpoints = options.endpoints;
    this.#login = options.login;
    this.#judge = options.judge;
    this.#requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  }

  /** @throws registry_unreachable, registry_refused, too_large, storage_full */
  async call(request: EtcdRequest, options: CallOptions = {}): Promise<EtcdReply> {
    const { onDoubt, signal = this.endpoints.closing, judge } = options;
    const { addresses } = this.endpoints;
    const totalMs = options.timeoutMs ?? this.#requestTimeoutMs;
    const deadlineMs = performance.now() + totalMs;
    if (onDoubt !== undefined) await this.endpoints.freshen();
    let at = addresses.indexOf(this.endpoints.current);
    // Since when every try was refused.
    let refusedSinceMs = performance.now();
    let logins = 0;
    let doubt: RequestFailure | undefined;
    for (let failures = 0; ; ) {
      const address = addresses[at % addresses.length] ?? this.endpoints.current;
      const round = Math.floor(failures / addresses.length);
      const tryMs = onDoubt ? CONDITIONAL_TRY_MS : TRY_FIRST_MS * 2 ** Math.min(round, 10);
      const leftMs = Math.max(1, deadlineMs - performance.now());
      const timeoutMs = Math.min(tryMs, TRY_MAX_MS, leftMs);
      const outcome = await this.try(request, {
        address,
        timeoutMs,
        signal,
        fresh: onDoubt !== undefined,
        ...(judge === undefined ? {} : { judge }),
      });
      if (outcome === 'login') {
        if (++logins > LOGINS_MAX)
          throw loginRefused(address, 'it refuses each token that it gives');
        continue;
      }
      if (!('reason' in outcome)) return outcome;
      if (outcome.sent) {
        doubt = outcome;
        onDoubt?.(outcome);
      }
      failures++;
      at++;
      const nowMs = performance.now();
      if (outcome.sent) refusedSinceMs = nowMs;
      const isRound = failures % addresses.length === 0;
      const pauseMs = isRound ? this.endpoints.pauseMs(failures / addresses.length) : 0;
      const nobodyMs = addresses.length === 1 ? NOBODY_MS : NOBODY_OF_MANY_MS;
      const nobody = nowMs - refusedSinceMs >= nobodyMs;
      if (nobody || nowMs + pauseMs > deadlineMs || signal.aborted) {
        this.endpoints.failed(outcome.reason);
        if (onDoubt !== undefined && doubt !== undefined) throw unknownOutcome(doubt);
        throw this.#unreachable(outcome, nobody, totalMs);
      }
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  /** One try. 'login': the login was refused, and the next try has another one. */
  async try(
    request: EtcdRequest,
    options: {
      readonly address: Address;
      readonly timeoutMs: number;
      readonly signal: AbortSignal;
      readonly fresh?: boolean;
      readonly judge?: Judge;
      readonly onData?: (piece: Buffer) => void;
    },
  ): Promise<EtcdReply | RequestFailure | 'login'> {
    const { address, judge = this.#judge } = options;
    const authorization = await this.#login.authorization(address);
    if (typeof authorization !== 'string') {
      this.endpoints.doubt(address);
      return authorization;
    }
    this.endpoints.authorization = authorization;
    const reply = await this.endpoints.send(request, { ...options, authorization });
    const outcome = 'reason' in reply ? reply : judge(reply, address);
    if (outcome === 'login') {
      if (this.#login.refused(authorization)) return outcome;
      throw loginRefused(address, 'set user and password');
    }
    if (!('reason' in outcome)) this.endpoints.answered(address);
    else if (!options.signal.aborted) this.endpoints.doubt(address);
    return outcome;
  }

  /** The login was refused in an answer that only the caller understands. */
  renewLogin(): void {
    this.#login.refused(this.endpoints.authorization);
  }

  #unreachable(last: RequestFailure, nobody: boolean, totalMs: number): SluiceError {
    const addresses = this.endpoints.addresses.map(formatAddress);
    const cause = nobody ? 'nobody listens' : `no answer in ${formatDuration(totalMs)}`;
    return new SluiceError(
      'registry_unreachable',
      `registry ${addresses.join(', ')}: ${cause} (last: ${last.reason}); start etcd or correct its addresses`,
      { details: { addresses, reason: last.reason } },
    );
  }
}

function loginRefused(address: Address, advice: string): SluiceError {
  return new SluiceError(
    'registry_refused',
    `registry ${formatAddress(address)}: etcd wants a user; ${advice}`,
  );
}

export function unknownOutcome(failure: RequestFailure): SluiceError {
  return new SluiceError(
    'registry_unreachable',
    `registry: it is unknown whether the write was done (${failure.reason}); read the record and decide`,
    { details: { outcomeUnknown: true, reason: failure.reason } },
  );
}
