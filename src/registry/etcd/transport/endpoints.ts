// The addresses of a cluster, and which of them is in use. While somebody follows the registry, the one
// in use is asked every half second whether it is there and has a leader. One that does not answer in
// time (it is dead, frozen, cut off, or has no leader) is left at once: all others are asked together,
// and whoever answers first is in use from then on. Streams at the old address are told to move.

import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../../base/errors.ts';
import { type Address, formatAddress } from '../../../base/units.ts';
import type { SourceHealth } from '../../membership-source.ts';
import { Connections, type EtcdTls } from './connections.ts';
import {
  type EtcdReply,
  type EtcdRequest,
  type RequestFailure,
  sendRequest,
} from './http-request.ts';
import { type Pulse, pulseRequest, readPulse } from './pulse.ts';

/** Between two looks at the address in use. */
const PULSE_MS = 500;
/** One look; longer when none was answered, so that a slow cluster is not taken for a dead one. */
const PULSE_TIMEOUT_MS = 600;
const PULSE_TIMEOUT_MAX_MS = 5_000;
/** Silence of all addresses after which followers are told: an election takes a second or two. */
const TELL_AFTER_MS = 3_000;
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 2_000;

/** Somebody with an open stream. */
export type Follower = {
  /** A key that it may read. */
  readonly key: string;
  /** What it has not got though the registry is there; ''. */
  readonly trouble: string;
  /** The revision up to which it knows everything. */
  known(): number;
  /** The cluster as it is; `known` is of the moment before it was asked. */
  onPulse(pulse: Pulse, known: number): void;
  /** Another address is in use. */
  onMoved(): void;
  /** No address answers. */
  onAway(reason: string): void;
  /** One answers (again). */
  onThere(): void;
};

export type EndpointsOptions = {
  readonly addresses: readonly Address[];
  readonly tls: EtcdTls | undefined;
  readonly random: () => number;
};

export type SendOptions = {
  readonly address: Address;
  readonly authorization: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly fresh?: boolean;
  readonly onData?: (piece: Buffer) => void;
};

export class Endpoints {
  readonly addresses: readonly Address[];
  readonly #connections: Connections;
  readonly #random: () => number;
  readonly #closing = new AbortController();
  readonly #followers = new Set<Follower>();
  readonly #waiting = new Set<() => void>();
  /** Of the last call that had one: what a look shows. */
  authorization = '';
  #current: Address;
  #health: SourceHealth;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #thereMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<boolean> | undefined;
  /** Looks in a row that nobody answered. */
  #failures = 0;
  #isPulsing = false;

  /** At least one address. @throws config_invalid for a TLS file that cannot be read */
  constructor({ addresses, tls, random }: EndpointsOptions) {
    const [first] = addresses;
    if (first === undefined) throw new SluiceError('config_invalid', 'etcd: no address is given');
    this.addresses = addresses;
    this.#connections = new Connections(tls);
    this.#random = random;
    this.#current = first;
    this.#health = {
      reachable: false,
      address: formatAddress(first),
      lastContactMs: 0,
      trouble: '',
    };
  }

  get current(): Address {
    return this.#current;
  }

  /** Aborted when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get health(): SourceHealth {
    const trouble = [...this.#followers].find((one) => one.trouble !== '')?.trouble ?? '';
    if (!this.#health.reachable || trouble === '') return this.#health;
    return { ...this.#health, reachable: false, trouble };
  }

  close(): void {
    this.#closing.abort();
    this.#connections.close();
    for (const wake of this.#waiting) wake();
  }

  send(request: EtcdRequest, options: SendOptions): Promise<EtcdReply | RequestFailure> {
    const { address, authorization, timeoutMs, onData } = options;
    const signals = options.signal === undefined ? [] : [options.signal];
    return sendRequest(request, {
      address,
      connection: this.#connections.options(options.fresh === true),
      isTls: this.#connections.isTls,
      authorization,
      timeoutMs,
      signal: AbortSignal.any([this.closing, ...signals]),
      ...(onData === undefined ? {} : { onData }),
    });
  }

  /** A call was answered. Without followers, who asks next begins there. */
  answered(address: Address): void {
    if (this.#followers.size === 0) this.#current = address;
    if (address === this.#current) this.#answeredMs = performance.now();
    this.#health = {
      reachable: true,
      address: formatAddress(address),
      lastContactMs: Date.now(),
      trouble: '',
    };
  }

  /** A call was not answered there. */
  doubt(address: Address): void {
    if (this.#followers.size === 0 || address !== this.#current) return;
    this.#answeredMs = Number.NEGATIVE_INFINITY;
    void this.look();
  }

  /** Nobody answers. */
  failed(trouble: string): void {
    this.#health = { ...this.#health, reachable: false, trouble };
  }

  /** Looks first when it is some time ago that the address in use was heard of. */
  async freshen(): Promise<void> {
    if (performance.now() - this.#answeredMs > 2 * PULSE_MS) await this.look();
  }

  follow(follower: Follower): { close(): void } {
    this.#followers.add(follower);
    if (!this.#isPulsing) void this.#pulse();
    return { close: () => this.#followers.delete(follower) };
  }

  /** Resolves when an address answers, or the signal is aborted. */
  async there(signal: AbortSignal): Promise<void> {
    if (await this.look()) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake);
      if (signal.aborted || this.closing.aborted) wake();
    });
  }

  /** How long to wait after this many failed rounds. */
  pauseMs(rounds: number): number {
    const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(rounds - 1, 10));
    return backoffMs * (0.5 + this.#random() / 2);
  }

  /** Asks the address in use, and when it does not answer, all. False: none answers. */
  look(): Promise<boolean> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #pulse(): Promise<void> {
    this.#isPulsing = true;
    while (this.#followers.size > 0 && !this.closing.aborted) {
      const silentMs = performance.now() - this.#answeredMs;
      const isThere = silentMs < PULSE_MS / 2 || (await this.look());
      const pauseMs = isThere ? PULSE_MS : this.pauseMs(this.#failures);
      await delay(pauseMs, undefined, { signal: this.closing }).catch(() => {
        // Closed meanwhile.
      });
    }
    this.#isPulsing = false;
  }

  async #look(): Promise<boolean> {
    const timeoutMs = Math.min(PULSE_TIMEOUT_MAX_MS, PULSE_TIMEOUT_MS * 1.5 ** this.#failures);
    const used = this.#current;
    const first = await this.#ask(used, timeoutMs, false);
    if (!('reason' in first)) return this.#there(used);
    const rest = this.addresses.filter((address) => address !== used);
    // Also the one in use, on a new connection: perhaps only the old one was broken.
    const asked = [...rest, used].map(async (address) => {
      const answer = await this.#ask(address, timeoutMs, true);
      if ('reason' in answer) throw new Error(answer.reason);
      return address;
    });
    try {
      return this.#there(await Promise.any(asked));
    } catch {
      this.#away(first.reason);
      return false;
    }
  }

  async #ask(address: Address, timeoutMs: number, fresh: boolean): Promise<Pulse | RequestFailure> {
    const followers = [...this.#followers].map((one) => ({ one, known: one.known() }));
    const { authorization } = this;
    const request = pulseRequest(followers[0]?.one.key ?? '');
    const reply = await this.send(request, { address, authorization, timeoutMs, fresh });
    const pulse = readPulse(reply, address);
    if (!('reason' in pulse)) {
      for (const { one, known } of followers) {
        if (this.#followers.has(one)) one.onPulse(pulse, known);
      }
    }
    return pulse;
  }

  #there(address: Address): boolean {
    if (this.closing.aborted) return false;
    this.#failures = 0;
    this.#thereMs = performance.now();
    const isOther = address !== this.#current;
    this.#current = address;
    this.answered(address);
    for (const follower of [...this.#followers]) {
      if (isOther) follower.onMoved();
      follower.onThere();
    }
    for (const wake of [...this.#waiting]) wake();
    return true;
  }

  #away(reason: string): void {
    if (this.closing.aborted) return;
    this.#failures++;
    this.#connections.renew();
    if (performance.now() - this.#thereMs < TELL_AFTER_MS) return;
    this.failed(reason);
    for (const follower of [...this.#followers]) follower.onAway(reason);
  }
}
