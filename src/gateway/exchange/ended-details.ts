// What the template of an access log can ask about an exchange that has ended. Each is worked out when it is
// asked for: most formats want few of them.

import type { AttemptFacts, LineDetails } from '../access-log.ts';
import type { RequestHead } from '../message.ts';
import { traceIdIn } from '../recorder.ts';
import type { Ended } from './tell.ts';

export class EndedDetails implements LineDetails {
  readonly #ended: Ended;

  constructor(ended: Ended) {
    this.#ended = ended;
  }

  get request(): RequestHead {
    return this.#ended.head;
  }

  get scheme(): string {
    return this.#ended.client.forwarding.scheme;
  }

  get status(): number {
    const { status, refusedWith } = this.#ended.attempts;
    return status || refusedWith;
  }

  get sentFields(): string {
    const { own, response } = this.#ended.attempts;
    return own?.fields ?? response?.fields ?? '';
  }

  get traceId(): string {
    const { attempts, head } = this.#ended;
    return attempts.trace?.traceId ?? traceIdIn(head.fields);
  }

  get bytesSent(): number {
    const { client, attempts } = this.#ended;
    return attempts.own === undefined ? client.bytesSent : client.bytesOf(attempts.own);
  }

  get bodyBytesSent(): number {
    const { attempts, head } = this.#ended;
    if (attempts.own === undefined) return attempts.bytes;
    return head.method === 'HEAD' ? 0 : Buffer.byteLength(attempts.own.body);
  }

  get attempts(): readonly AttemptFacts[] {
    const { attempts, server, nowMs } = this.#ended;
    const failed = attempts.failures.map(({ told, status, isReused }) => ({
      ...{ server: told.server, status, headMs: null, tookMs: told.tookMs },
      connectMs: isReused ? 0 : told.connectMs,
    }));
    if (server === undefined) return failed;
    const { startedMs, connectedMs, tookMs, status, isSent } = attempts;
    const last = {
      ...{ server: server.id, status, headMs: status === 0 ? null : tookMs },
      connectMs: connectedMs > 0 ? connectedMs - startedMs : isSent ? 0 : null,
      tookMs: nowMs - startedMs,
    };
    return [...failed, last];
  }
}
