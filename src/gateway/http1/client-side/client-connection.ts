// One client connection: finds the requests in its bytes, one at a time and in order, and gives
// each to the exchange. Bytes of a later request wait, unread where possible, until the one before
// is answered. A refused connection is never read as HTTP again. Ends with a lingering close, since
// closing over unread input would make the kernel throw away our last response.

import { type GatewayContext, IDLE_GRACE_MS } from '../../context.ts';
import type { Client, CutBy } from '../../exchange/client-stream.ts';
import { Exchange } from '../../exchange/exchange.ts';
import { Forwarding } from '../../forwarding.ts';
import type { Connection, ConnectionHandler } from '../../transport.ts';
import type { Timed } from '../../wheel.ts';
import { Payload } from '../payload.ts';
import { BodyReader, parseRequestHead, type RequestHead, refusalText } from '../syntax.ts';
import { BodyPace } from './body-pace.ts';
import { HeadReader } from './head-reader.ts';

/**
 * What is read and thrown away after our FIN, at most; the time is the usual end of it. A client that
 * is in the middle of its upload sends on for a while, and a reset would take its answer away.
 */
const LINGERING_BYTES_MAX = 64 * 1024 * 1024;

/** To clients beyond the limit: their number changes from one second to the next. */
const TRY_AGAIN = 'Retry-After: 1\r\n';

/** When a client that has ended its side is asked whether it is still there, and when we listen. */
const ASK_MS = 1000;

type State = 'idle' | 'head' | 'exchange' | 'tunnel' | 'linger' | 'closed';

export class ClientConnection implements Client, ConnectionHandler, Timed {
  deadlineAt = Number.POSITIVE_INFINITY;
  slotTick = -1;
  readonly connection: Connection;
  readonly forwarding: Forwarding;
  readonly #gateway: GatewayContext;
  readonly #exchange: Exchange;
  readonly #onClosed: (client: ClientConnection) => void;
  readonly #heads = new HeadReader();
  readonly #body = new BodyReader();
  readonly #payload = new Payload();
  #state: State = 'idle';
  #requests = 0;
  /** Bytes behind the request that is being answered. */
  #stash: Buffer | undefined;
  #isEnded = false;
  #isBodyPaused = false;
  #isWaitingForDrain = false;
  readonly #pace = new BodyPace();
  #isAskable = false;
  #pendingSeen = 0;
  #discarded = 0;

  constructor(
    gateway: GatewayContext,
    connection: Connection,
    onClosed: (client: ClientConnection) => void,
  ) {
    this.#gateway = gateway;
    this.connection = connection;
    this.#onClosed = onClosed;
    this.#exchange = new Exchange(gateway, this);
    const { trusted, config } = gateway;
    this.forwarding = new Forwarding(connection.remoteAddress, trusted, config.via);
    connection.handler = this;
    // The first request's head is due from the accept on.
    gateway.wheel.set(this, config.timeouts.clientHeaderMs);
  }

  // ---- for the exchange ---------------------------------------------------------------------

  mayKeepAlive(head: RequestHead): boolean {
    const { limits } = this.#gateway.config;
    return head.keepAlive && !this.#gateway.isClosing && this.#requests < limits.keepaliveRequests;
  }

  pauseBody(): void {
    if (this.#isBodyPaused || (this.#state === 'exchange' && this.#body.done)) return;
    this.#isBodyPaused = true;
    this.connection.pause();
    this.#watchBody();
  }

  resumeBody(): void {
    if (!this.#isBodyPaused) return;
    this.#isBodyPaused = false;
    this.#pace.restart();
    this.connection.resume();
    this.#watchBody();
  }

  /** A write did not go through at once: the client has `send_timeout` to make progress. */
  waitForDrain(): void {
    if (this.#isWaitingForDrain) return;
    this.#isWaitingForDrain = true;
    this.#pendingSeen = this.connection.pendingBytes;
    this.#gateway.wheel.set(this, this.#gateway.config.timeouts.sendMs);
  }

  /** The response is on its way in full. */
  exchangeDone(keepsAlive: boolean): void {
    if (this.#state === 'closed') return;
    if (!keepsAlive || !this.#body.done) return this.#linger();
    this.#state = 'idle';
    if (!this.#isWaitingForDrain) this.#watchIdle();
    if (this.#stash !== undefined) {
      // In a turn of its own, so that one client with a thousand requests in its pipe waits for
      // the others between two of them.
      setImmediate(this.#unstash);
    } else if (this.#isEnded) this.#leave();
    else this.resumeBody();
  }

  /** An answer of our own instead of a server's. */
  answer(text: string, keepsAlive: boolean): void {
    if (!this.connection.writeText(text)) this.waitForDrain();
    this.exchangeDone(keepsAlive);
  }

  /** An answer of our own to bytes that cannot be trusted to hold another request. */
  refuse(status: number, reason: string): void {
    if (this.#state === 'closed' || this.#state === 'linger') return;
    this.#gateway.log.debug(
      { client: this.connection.remoteAddress, status, reason },
      'request refused',
    );
    const fields = status === 503 ? TRY_AGAIN : '';
    this.connection.writeText(refusalText(status, `sluice: ${reason}\n`, false, fields));
    this.#linger();
  }

  /** A response that cannot be completed: the client must see that it is not complete. */
  cut(by: CutBy): void {
    if (this.#state === 'closed') return;
    if (by === 'end') return this.#linger();
    this.#gone(true);
    this.connection.reset();
  }

  tunnelOpened(): void {
    this.#state = 'tunnel';
    this.#gateway.wheel.clear(this);
    const stash = this.#stash;
    this.#stash = undefined;
    if (stash !== undefined) this.#exchange.tunnelFromClient(stash, 0, stash.length);
    if (this.#isEnded) this.#exchange.tunnelEndedByClient();
    else this.resumeBody();
  }

  tunnelClosed(): void {
    if (this.#state !== 'closed') this.#leave();
  }

  /** Shutting down: an idle connection has nothing to lose, the others finish first. */
  closeIfIdle(): void {
    if (this.#state === 'idle' && this.#stash === undefined) this.#linger();
  }

  destroy(): void {
    if (this.#state === 'closed') return;
    this.#exchange.stopped();
    // A response under way must not look complete.
    if (this.#state === 'exchange' || this.connection.pendingBytes > 0) return this.cut('reset');
    this.#gone(false);
    this.connection.destroy();
  }

  // ---- events -------------------------------------------------------------------------------

  onConnect(): void {}

  onData(buffer: Buffer, start: number, end: number): void {
    switch (this.#state) {
      case 'idle':
      case 'head':
        if (this.#stash !== undefined || this.#isWaitingForDrain) {
          return this.#keepForLater(buffer, start, end);
        }
        return this.#readHead(buffer, start, end);
      case 'exchange':
        if (this.#body.done) return this.#keepForLater(buffer, start, end);
        return this.#readBody(buffer, start, end);
      case 'tunnel':
        return this.#exchange.tunnelFromClient(buffer, start, end);
      case 'linger':
        this.#discarded += end - start;
        if (this.#discarded > LINGERING_BYTES_MAX) this.destroy();
        return;
      case 'closed':
        return;
    }
  }

  onDrain(): void {
    this.#isWaitingForDrain = false;
    const { wheel, config } = this.#gateway;
    switch (this.#state) {
      case 'exchange':
      case 'tunnel':
        wheel.clear(this);
        this.#watchBody();
        return this.#exchange.clientDrained();
      case 'idle':
        this.#watchIdle();
        return this.#unstash();
      case 'linger':
        return wheel.set(this, config.timeouts.lingeringMs);
    }
  }

  onEnd(): void {
    this.#isEnded = true;
    if (this.#state === 'tunnel') this.#exchange.tunnelEndedByClient();
    else if (this.#state === 'exchange') {
      // A half-closed client still gets its answers, but none from a server to half a request.
      if (!this.#body.done) this.#exchange.bodyRefused(400, 'the request ended in its body');
      else this.#askIfGone();
    } else if (this.#state !== 'closed' && this.#stash === undefined) this.#leave();
  }

  /** A FIN looks the same from one that has left and from one that only has no more to send. */
  #askIfGone(): void {
    const { ignoreClientAbort } = this.#gateway.config;
    if (ignoreClientAbort === 'on' || !this.#exchange.isUnanswered) return;
    if (ignoreClientAbort === 'ask') return this.#gateway.wheel.set(this, ASK_MS);
    this.#gone(false);
    this.connection.destroy();
  }

  #ask(): void {
    if (!this.#exchange.isUnanswered) return;
    if (!this.#isAskable) return void this.connection.writeText('');
    this.#isAskable = false;
    this.connection.writeText('HTTP/1.1 100 Continue\r\n\r\n');
    this.#gateway.wheel.set(this, ASK_MS);
  }

  onClose(error: string): void {
    if (this.#state === 'closed') return;
    // A tunnel that both sides have ended: the server still takes the last bytes, and the close of
    // its connection calls tunnelClosed.
    if (this.#state === 'tunnel' && error === '' && this.#exchange.isServerBehind) return;
    this.#gone(error !== '');
  }

  onDeadline(): void {
    const pending = this.connection.pendingBytes;
    if (this.#state === 'linger' ? pending > 0 : this.#isWaitingForDrain) {
      // A slow reader is let be as long as it reads. What the others got must not look complete.
      if (pending >= this.#pendingSeen) return this.cut('reset');
      this.#pendingSeen = pending;
      return this.#gateway.wheel.set(this, this.#gateway.config.timeouts.sendMs);
    }
    switch (this.#state) {
      case 'head':
        return this.refuse(408, 'the request head came too slowly');
      case 'exchange':
        // What is written to one that has left brings a reset, and the next write hears of it.
        if (!this.#body.done) {
          return this.#exchange.bodyRefused(408, 'the request body came too slowly');
        }
        return this.#ask();
      default:
        return this.destroy();
    }
  }

  // ---- reading requests ---------------------------------------------------------------------

  #readHead(data: Buffer, from: number, to: number): void {
    const text = this.#heads.read(data, from, to);
    if (text === undefined) {
      if (this.#heads.isPartial) this.#waitForHead();
      return;
    }
    const head = parseRequestHead(text, this.#gateway.headLimits);
    if (head.kind === 'refusal') return this.refuse(head.status, head.reason);
    this.#beginExchange(head, this.#heads.buffer, this.#heads.start, this.#heads.end);
  }

  #waitForHead(): void {
    if (this.#state === 'idle') {
      this.#state = 'head';
      // Total, from the first byte: a byte now and then does not extend it (rule 77). The first
      // head of a connection is due from the accept on.
      if (this.#requests > 0) {
        this.#gateway.wheel.set(this, this.#gateway.config.timeouts.clientHeaderMs);
      }
    }
    const refused = this.#heads.refusal(this.#gateway.headLimits);
    if (refused !== undefined) this.refuse(refused.status, refused.reason);
  }

  #beginExchange(head: RequestHead, buffer: Buffer, start: number, end: number): void {
    this.#state = 'exchange';
    this.#isAskable = head.minor === 1;
    this.#requests += 1;
    this.#gateway.wheel.clear(this);
    this.#pace.restart();
    this.#body.reset(head.framing, head.contentLength, this.#gateway.config.limits);
    this.#payload.reset(start);
    const stop = this.#body.read(buffer, start, end, this.#payload.collect);
    if (this.#body.refusal !== undefined) {
      return this.refuse(this.#body.refusal.status, this.#body.refusal.reason);
    }
    if (stop < end) this.#keepForLater(buffer, stop, end);
    if (!this.#body.done) this.#watchBody();
    this.#exchange.begin(head, buffer, this.#payload.start, this.#payload.end, this.#body.done);
  }

  #readBody(buffer: Buffer, start: number, end: number): void {
    this.#payload.reset(start);
    const stop = this.#body.read(buffer, start, end, this.#payload.collect);
    if (this.#body.refusal !== undefined) {
      const { status, reason } = this.#body.refusal;
      return this.#exchange.bodyRefused(status, reason);
    }
    const { wheel, config } = this.#gateway;
    if (this.#body.done) wheel.clear(this);
    else if (this.#pace.isTooSlow(end - start, wheel.nowMs, config.limits.bodyMinRate)) {
      return this.#exchange.bodyRefused(408, 'the request body came too slowly');
    } else this.#watchBody();
    if (stop < end) this.#keepForLater(buffer, stop, end);
    this.#exchange.requestBytes(buffer, this.#payload.start, this.#payload.end, this.#body.done);
  }

  /** The client owes us body bytes, unless it is us who do not read or who owe it a write. */
  #watchBody(): void {
    if (this.#isWaitingForDrain || this.#state !== 'exchange') return;
    if (this.#isBodyPaused || this.#body.done) this.#gateway.wheel.clear(this);
    else this.#gateway.wheel.set(this, this.#gateway.config.timeouts.clientBodyMs);
  }

  #watchIdle(): void {
    const { wheel, config, isClosing } = this.#gateway;
    wheel.set(this, isClosing ? IDLE_GRACE_MS : config.timeouts.keepaliveMs);
  }

  /** Bytes of a later request: at most one read of them, then the kernel holds the rest. */
  #keepForLater(buffer: Buffer, start: number, end: number): void {
    const piece = buffer.subarray(start, end);
    this.#stash =
      this.#stash === undefined ? Buffer.from(piece) : Buffer.concat([this.#stash, piece]);
    if (this.#isBodyPaused) return;
    this.#isBodyPaused = true;
    this.connection.pause();
  }

  readonly #unstash = (): void => {
    const stash = this.#stash;
    // A client that does not read its answers gets no further ones: else they would pile up here.
    if (stash === undefined || this.#state !== 'idle' || this.#isWaitingForDrain) return;
    this.#stash = undefined;
    this.#readHead(stash, 0, stash.length);
    // Reading goes on unless there are bytes of yet another request: a client that leaves while it
    // waits for its answer is heard.
    const state: State = this.#state;
    if (state === 'idle' || state === 'head') {
      if (this.#isEnded) this.#leave();
      else this.resumeBody();
    } else if (state === 'exchange' && this.#stash === undefined) this.resumeBody();
  };

  // ---- ending -------------------------------------------------------------------------------

  /** FIN behind the last response, then read and discard for a while. */
  #linger(): void {
    this.#state = 'linger';
    this.#stash = undefined;
    this.#heads.clear();
    this.connection.end();
    const { lingeringMs, sendMs } = this.#gateway.config.timeouts;
    // The lingering time runs from our FIN on, which waits behind what the client has to take.
    this.#pendingSeen = this.connection.pendingBytes;
    this.#gateway.wheel.set(this, this.#pendingSeen > 0 ? sendMs : lingeringMs);
    if (this.#isEnded) return;
    this.#isBodyPaused = true;
    this.resumeBody();
  }

  /** Nothing keeps us any more but bytes on their way to the client, and what it may still send. */
  #leave(): void {
    if (this.#isEnded && this.connection.pendingBytes === 0) this.destroy();
    else this.#linger();
  }

  #gone(isBroken: boolean): void {
    this.#state = 'closed';
    this.#stash = undefined;
    this.#heads.clear();
    this.#gateway.wheel.forget(this);
    this.#exchange.clientGone(isBroken);
    this.#onClosed(this);
  }
}
