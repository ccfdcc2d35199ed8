// What the access log can ask about an exchange that has ended. Each is worked out when it is asked for: most
// formats want few of them, and no object of facts is made for a line.

import type { AccessLine, AttemptFacts, LogKeeper } from '../access-log.ts';
import type { RequestHead } from '../message.ts';
import { traceIdIn } from '../recorder.ts';
import { idsOf } from './account.ts';
import type { EndedRequest, HowEnded } from './tell.ts';

export class EndedLine implements AccessLine {
  readonly #of: EndedRequest;
  readonly #how: HowEnded;
  #attempts: readonly AttemptFacts[] | undefined;

  constructor(of: EndedRequest, how: HowEnded) {
    this.#of = of;
    this.#how = how;
  }

  get id(): string {
    const { attempts, gateway } = this.#of;
    return attempts.idFrom(gateway.ids);
  }

  get idNumber(): number {
    const { attempts, gateway } = this.#of;
    return attempts.idNumberFrom(gateway.ids);
  }

  get idPrefix(): string {
    return this.#of.gateway.ids.prefix;
  }

  get client(): string {
    const { client, head } = this.#of;
    return client.forwarding.client(head);
  }

  get keeper(): LogKeeper {
    return this.#of.client.keeper;
  }

  get listener(): string {
    return this.#of.client.entrance.id;
  }

  get scheme(): string {
    return this.#of.client.forwarding.scheme;
  }

  get connection(): AccessLine['connection'] {
    return this.#of.client.connection;
  }

  get request(): RequestHead {
    return this.#of.head;
  }

  get status(): number {
    return this.#of.attempts.status;
  }

  get statusOrRefusal(): number {
    const { status, refusedWith } = this.#of.attempts;
    return status || refusedWith;
  }

  get bytes(): number {
    return this.#of.attempts.bytes;
  }

  get sentFields(): string {
    const { own, response } = this.#of.attempts;
    return own?.fields ?? response?.fields ?? '';
  }

  get bytesSent(): number {
    const { client, attempts } = this.#of;
    return attempts.own === undefined ? client.bytesSent : client.bytesOf(attempts.own);
  }

  get bodyBytesSent(): number {
    const { attempts, head } = this.#of;
    if (attempts.own === undefined) return attempts.bytes;
    return head.method === 'HEAD' ? 0 : Buffer.byteLength(attempts.own.body);
  }

  get ms(): number {
    return this.#how.nowMs - this.#of.attempts.beganMs;
  }

  get endedMs(): number {
    return this.#how.nowMs;
  }

  get upstream(): string {
    return this.#of.upstream?.name ?? '';
  }

  get servers(): readonly string[] {
    const { attempts, server } = this.#of;
    return idsOf(attempts.tried, server);
  }

  get onlyServer(): string {
    const { attempts, server } = this.#of;
    return attempts.tried.length === 0 ? (server?.id ?? '') : '';
  }

  get attempts(): readonly AttemptFacts[] {
    this.#attempts ??= attemptsOf(this.#of, this.#how.nowMs);
    return this.#attempts;
  }

  get result(): string {
    return this.#how.result;
  }

  get reason(): string {
    return this.#how.reason;
  }

  get traceId(): string {
    const { attempts, head } = this.#of;
    return attempts.trace?.traceId ?? traceIdIn(head.fields);
  }
}

function attemptsOf({ attempts, server }: EndedRequest, nowMs: number): readonly AttemptFacts[] {
  const failed = attempts.failures.map(({ told, status, isReused }) => ({
    ...{ server: told.server, status, headMs: null, tookMs: told.tookMs },
    connectMs: isReused ? 0 : told.connectMs,
  }));
  if (server === undefined) return failed;
  const { startedMs, connectedMs, tookMs, status, isSent } = attempts;
  const last = {
    server: server.id,
    status,
    connectMs: connectedMs > 0 ? connectedMs - startedMs : isSent ? 0 : null,
    headMs: status === 0 ? null : tookMs,
    tookMs: nowMs - startedMs,
  };
  return failed.length === 0 ? [last] : [...failed, last];
}
