// Requests to any of several registry addresses: the one that answered last is asked first, the next
// one when it fails or is silent; after a whole round of failures a pause with back-off and jitter. What
// may be repeated is decided here: a request whose outcome is unknown only when doing it twice is harmless.

import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { type Address, formatAddress, formatDuration } from '../../base/units.ts';
import type { SourceHealth } from '../membership-source.ts';
import { type Access, type CredentialSettings, Credentials } from './credentials.ts';
import { firstGood } from './first-good.ts';
import {
  type ConsulReply,
  type ConsulRequest,
  type RequestFailure,
  sendRequest,
} from './http-request.ts';
import { isFailure, isSignOfLife, judge, noLife, unknownOutcome } from './judge.ts';

/** One try of a call that does not block. */
const TRY_TIMEOUT_MS = 5_000;
/** With less time left no further try is begun. */
const TRY_LEAST_MS = 50;
/** One try of a write that may be done twice, where there is another address to try. */
const WRITE_TRY_TIMEOUT_MS = 2_000;
/** Silence of one address after which the next is asked as well. */
export const SILENCE_MS = 1_000;
/** A write goes to an address that has answered that recently; else it is asked a question first. */
const FRESH_MS = 100;
const BACKOFF_FIRST_MS = 100;
/** Not longer: when a registry is back, what changed meanwhile is wanted soon. */
const BACKOFF_MAX_MS = 1_000;
/** Silence of one address after which the question goes to the next as well. */
const QUESTION_STAGGER_MS = 250;
/** Its answer comes from the leader, costs next to nothing, and no token may not ask it. */
const QUESTION = '/v1/kv/sluice/?keys&separator=/';

const NOWHERE: Address = { host: '127.0.0.1', port: 8500 };

/** How to reach a Consul. */
export type ConsulAccess = Partial<CredentialSettings> & {
  /** Any of these may be asked; at least one. */
  readonly addresses: readonly Address[];
  /** The data centre that is meant; '' or undefined: the agents' own. */
  readonly datacenter?: string | undefined;
  readonly namespace?: string | undefined;
};

export type TransportOptions = ConsulAccess & {
  readonly log: Log;
  readonly requestTimeoutMs: number;
  /** When all addresses refuse the connection for so long, nobody is there. */
  readonly nobodyMs: number;
  readonly random?: (() => number) | undefined;
};

export type TryOptions = {
  /** Default: the one in use. */
  readonly address?: Address;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly fresh?: boolean;
  readonly onHead?: () => void;
};

export class ConsulTransport {
  readonly #options: TransportOptions;
  readonly #credentials: Credentials;
  readonly #closing = new AbortController();
  /** When an address last gave an answer that its leader stands for; monotonic, ms. */
  readonly #answeredMs = new Map<Address, number>();
  /** What goes wrong now, by whom it goes wrong for: a watch, or the calls. */
  readonly #troubles = new Map<unknown, string>();
  #current = 0;
  #last: { readonly address: string; readonly contactMs: number } | undefined;

  /** @throws config_invalid when a file of the credentials cannot be used. */
  constructor(options: TransportOptions) {
    this.#options = options;
    this.#credentials = new Credentials(options, options.log);
  }

  get health(): SourceHealth {
    return {
      reachable: this.#last !== undefined && this.#troubles.size === 0,
      address: this.#last?.address ?? formatAddress(this.address),
      lastContactMs: this.#last?.contactMs ?? 0,
      trouble: [...this.#troubles.values()].at(-1) ?? '',
    };
  }

  /** The one that is asked first. */
  get address(): Address {
    const { addresses } = this.#options;
    return addresses[this.#current] ?? NOWHERE;
  }

  /** All of them, the one that is asked first in front. */
  get addresses(): readonly Address[] {
    const { addresses } = this.#options;
    return [...addresses.slice(this.#current), ...addresses.slice(0, this.#current)];
  }

  /** Failures that make a round: each address once. */
  get round(): number {
    return this.#options.addresses.length;
  }

  /** Aborted when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** What a request is let in with now; another object after a token or a certificate changed. */
  get access(): Access {
    return this.#credentials.access();
  }

  /** Has a token to be let in with. */
  get hasToken(): boolean {
    return this.access.token !== '';
  }

  close(): void {
    this.#closing.abort();
    this.#credentials.close();
  }

  /**
   * Calls until an address gives an answer that is one (2xx or 404), within requestTimeoutMs.
   * @throws registry_unreachable, registry_refused, too_large, storage_full
   */
  async call(request: ConsulRequest, repeatable = true): Promise<ConsulReply> {
    const deadlineMs = performance.now() + this.#options.requestTimeoutMs;
    let answeredMs = performance.now();
    for (let rounds = 1; ; rounds++) {
      const outcome =
        request.method === 'GET'
          ? await this.#readOnce(request, deadlineMs)
          : await this.#writeOnce(request, deadlineMs, repeatable);
      if (!isFailure(outcome)) return outcome;
      if (!repeatable && outcome.sent) throw unknownOutcome(request, outcome);
      const pauseMs = this.pauseMs(rounds * this.round);
      const goesOnMs = performance.now() + pauseMs;
      if (outcome.refused !== true) answeredMs = goesOnMs;
      const nobody = goesOnMs - answeredMs > this.#options.nobodyMs;
      // In less time nobody can answer, and what was said before tells more.
      if (nobody || goesOnMs + TRY_LEAST_MS > deadlineMs || this.closing.aborted) {
        this.note(this, outcome.reason);
        throw this.#unreachable(outcome, nobody);
      }
      await delay(pauseMs, undefined, { signal: this.closing }).catch(() => {});
    }
  }

  /** One try at one address; when it fails, others are asked first from then on. Throws as `call`. */
  async try(request: ConsulRequest, options: TryOptions): Promise<ConsulReply | RequestFailure> {
    const { address = this.address } = options;
    const answer = await this.#send(request, { ...options, address });
    let outcome: ConsulReply | RequestFailure | undefined;
    try {
      outcome = judge(answer, address, request.answers);
    } finally {
      const failed = outcome === undefined || isFailure(outcome);
      // One that was given up may be good.
      if (failed && !options.signal.aborted) this.avoid(address);
    }
    if (!isFailure(outcome)) {
      this.#answered(address);
      this.note(this, '');
    }
    return outcome;
  }

  /** The answer as it came, whatever it says: whether an address is alive, and what it knows. */
  async ask(
    path: string,
    options: TryOptions & { readonly address: Address },
  ): Promise<ConsulReply | RequestFailure> {
    const outcome = await this.#send({ method: 'GET', path }, options);
    if (!isFailure(outcome) && isSignOfLife(outcome)) this.#answered(options.address);
    return outcome;
  }

  /**
   * Asks all addresses, each `staggerMs` after the one before (0: at once), on new connections; the first
   * that answers is asked first from then on.
   */
  async findAlive(staggerMs: number): Promise<ConsulReply | RequestFailure> {
    const outcome = await firstGood(
      this.addresses.map((address) => async (signal: AbortSignal) => {
        const options = { address, timeoutMs: SILENCE_MS, signal, fresh: true };
        const reply = await this.ask(QUESTION, options);
        return { address, reply };
      }),
      {
        isGood: ({ reply }) => !isFailure(reply) && isSignOfLife(reply),
        staggerMs,
        signal: this.closing,
      },
    );
    const { address, reply } = outcome;
    if (isFailure(reply)) return reply;
    if (!isSignOfLife(reply)) return noLife(reply, address);
    this.prefer(address);
    return reply;
  }

  /** This address is asked first from now on. */
  prefer(address: Address): void {
    this.#current = Math.max(0, this.#options.addresses.indexOf(address));
  }

  /** Another is asked first from now on, if it was this one. */
  avoid(address: Address | undefined): void {
    if (this.address === address) this.#current = (this.#current + 1) % this.round;
  }

  /** Notes that no address gives an answer that `who` can use; '' = that is over. */
  note(who: unknown, trouble: string): void {
    if (trouble === '') this.#troubles.delete(who);
    else this.#troubles.set(who, trouble);
  }

  /** How long to wait after this many failures in a row: nothing inside a round of all addresses. */
  pauseMs(failures: number): number {
    if (failures % this.round !== 0) return 0;
    const doublings = Math.min(failures / this.round - 1, 10);
    const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** doublings);
    const { random = Math.random } = this.#options;
    return backoffMs * (0.5 + random() / 2);
  }

  /** Each address once, the next as soon as one fails or is silent. */
  async #readOnce(
    request: ConsulRequest,
    deadlineMs: number,
  ): Promise<ConsulReply | RequestFailure> {
    let refused = true;
    const { address, reply } = await firstGood(
      this.addresses.map((address) => async (signal: AbortSignal) => {
        const timeoutMs = timeLeft(deadlineMs, TRY_TIMEOUT_MS);
        const reply = await this.try(request, { address, timeoutMs, signal });
        if (!isFailure(reply) || reply.refused !== true) refused = false;
        return { address, reply };
      }),
      { isGood: ({ reply }) => !isFailure(reply), staggerMs: SILENCE_MS, signal: this.closing },
    );
    if (isFailure(reply)) return { ...reply, refused };
    this.prefer(address);
    return reply;
  }

  /**
   * Each address once, but only one that is alive: a write to one that stands still would be carried
   * out when it goes on, over whatever was written since.
   */
  async #writeOnce(
    request: ConsulRequest,
    deadlineMs: number,
    repeatable: boolean,
  ): Promise<ConsulReply | RequestFailure> {
    const hasChoice = this.round > 1;
    const mostMs = repeatable && hasChoice ? WRITE_TRY_TIMEOUT_MS : TRY_TIMEOUT_MS;
    for (let tries = 1; ; tries++) {
      if (hasChoice && performance.now() - (this.#answeredMs.get(this.address) ?? 0) > FRESH_MS) {
        const alive = await this.findAlive(QUESTION_STAGGER_MS);
        if (isFailure(alive)) return { ...alive, sent: false };
      }
      const outcome = await this.try(request, {
        address: this.address,
        timeoutMs: timeLeft(deadlineMs, mostMs),
        signal: this.closing,
        fresh: !repeatable,
      });
      const isOver = tries >= this.round || performance.now() >= deadlineMs;
      if (!isFailure(outcome) || isOver || (!repeatable && outcome.sent)) return outcome;
    }
  }

  #send(
    request: ConsulRequest,
    options: TryOptions & { readonly address: Address },
  ): Promise<ConsulReply | RequestFailure> {
    const { datacenter = '', namespace = '' } = this.#options;
    let { path } = request;
    for (const [name, value] of [
      ['dc', datacenter],
      ['ns', namespace],
    ] as const) {
      if (value !== '')
        path += `${path.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}`;
    }
    return sendRequest({ ...request, path }, { ...options, access: this.access });
  }

  #answered(address: Address): void {
    this.#answeredMs.set(address, performance.now());
    this.#last = { address: formatAddress(address), contactMs: Date.now() };
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

function timeLeft(deadlineMs: number, mostMs: number): number {
  return Math.max(1, Math.min(mostMs, deadlineMs - performance.now()));
}
