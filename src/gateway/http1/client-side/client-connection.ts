// One client connection: finds the requests in its bytes, one at a time and in order, and gives
// each to the exchange. Bytes of a later request wait, unread where possible, until the one before
// is answered. A refused connection is never read as HTTP again. Ends with a lingering close, since
// closing over unread input would make the kernel throw away our last response.

import {
  type ClientStreamHandler,
  Exchange,
  type ExchangeContext,
  tellRefusal,
} from '../../exchange.ts';
import { type Forwarding, saidOfClient } from '../../forwarding.ts';
import type { Entrance } from '../../listener.ts';
import type { Connection, ConnectionHandler } from '../../transport.ts';
import type { Timed } from '../../wheel.ts';
import { type Accepted, type ClientSide, type Http1Context, IDLE_GRACE_MS } from '../context.ts';
import { type Http1Request, refusalText } from '../syntax.ts';
import { ASK_MS, LINGERING_BYTES_MAX } from './client-limits.ts';
import { type CutBy, Http1ClientStream, type StreamCarrier } from './http1-client-stream.ts';
import type { RequestReader } from './request-reader.ts';

type State = 'idle' | 'head' | 'exchange' | 'tunnel' | 'linger' | 'closed';

export class ClientConnection implements StreamCarrier, ConnectionHandler, Timed {
  deadlineAt = Number.POSITIVE_INFINITY;
  slotTick = -1;
  forwarding: Forwarding;
  logged: StreamCarrier['logged'];
  readonly entrance: Entrance;
  readonly connection: Connection;
  readonly #gateway: Http1Context;
  readonly #exchanges: ExchangeContext;
  readonly #onClosed: (client: ClientConnection) => void;
  /** Of a request that is coming in; undefined: it is whole, or none has begun. */
  #reader: RequestReader | undefined;
  /** Of the request under way. */
  #stream: Http1ClientStream | undefined;
  exchange: ClientStreamHandler | undefined;
  #state: State = 'idle';
  #requests = 0;
  /** Bytes behind the request that is being answered. */
  #stash: Buffer | undefined;
  #isEnded = false;
  #isBodyPaused = false;
  #isWaitingForDrain = false;
  #pendingSeen = 0;
  #discarded = 0;

  constructor(
    { http1, exchange }: ClientSide,
    { connection, entrance }: Accepted,
    onClosed: (client: ClientConnection) => void,
  ) {
    this.#gateway = http1;
    this.#exchanges = exchange;
    this.connection = connection;
    this.entrance = entrance;
    this.#onClosed = onClosed;
    this.forwarding = http1.forwardings.of(connection);
    connection.handler = this;
    // The first request's head is due from the accept on.
    http1.wheel.set(this, http1.config.timeouts.clientHeaderMs);
  }

  // ---- for the stream -----------------------------------------------------------------------

  /** With the request still on its way, the end of the connection is the only safe next step. */
  mayKeepAlive(request: Http1Request): boolean {
    const { config, isClosing } = this.#gateway;
    const isLast = isClosing || this.#requests >= config.limits.keepaliveRequests;
    return this.#reader === undefined && request.keepAlive && !isLast;
  }

  pauseBody(): void {
    if (this.#isBodyPaused || (this.#state === 'exchange' && this.#reader === undefined)) return;
    this.#isBodyPaused = true;
    this.connection.pause();
    this.#watchBody();
  }

  resumeBody(): void {
    if (!this.#isBodyPaused) return;
    this.#isBodyPaused = false;
    this.#reader?.restartPace();
    this.connection.resume();
    this.#watchBody();
  }

  write(before: string, buffer: Buffer, start: number, end: number, after: string): boolean {
    return this.#isTaken(this.connection.write(before, buffer, start, end, after));
  }

  writeText(text: string): boolean {
    return this.#isTaken(this.connection.writeText(text));
  }

  /** When a write did not go through at once, the client has `send_timeout` to make progress. */
  #isTaken(isThrough: boolean): boolean {
    if (isThrough || this.#isWaitingForDrain) return isThrough;
    this.#isWaitingForDrain = true;
    this.#pendingSeen = this.connection.pendingBytes;
    this.#gateway.wheel.set(this, this.#gateway.config.timeouts.sendMs);
    return false;
  }

  responseSent(keepsAlive: boolean): void {
    // A connection that idles holds on to nothing of the request.
    this.#stream = undefined;
    this.exchange = undefined;
    if (this.#state === 'closed') return;
    if (!keepsAlive || this.#reader !== undefined) return this.#linger();
    this.#state = 'idle';
    if (!this.#isWaitingForDrain) this.#watchIdle();
    if (this.#stash !== undefined) {
      // In a turn of its own: a client with a thousand requests in its pipe waits for others in between.
      setImmediate(() => this.#unstash());
    } else if (this.#isEnded) this.#leave();
    else this.resumeBody();
  }

  /** An answer of our own to bytes that cannot be trusted to hold another request. No `id`: no exchange has it. */
  refuse(status: number, reason: string, id = '', head?: Http1Request): void {
    if (this.#state === 'closed' || this.#state === 'linger') return;
    const known = id || tellRefusal(this.#exchanges, this, { status, reason, head });
    this.#gateway.log.debug(
      { client: this.forwarding.peer, status, reason, id: known },
      'request refused',
    );
    this.connection.writeText(refusalText(status, reason, known, this.entrance.answerFields));
    this.#linger();
  }

  cut(by: CutBy): void {
    if (this.#state === 'closed') return;
    if (by === 'end') this.#linger();
    else this.#reset();
  }

  #reset(): void {
    this.#gone(true);
    this.connection.reset();
  }

  openTunnel(headText: string): void {
    this.#state = 'tunnel';
    this.#gateway.wheel.clear(this);
    this.writeText(headText);
    const stash = this.#stash;
    this.#stash = undefined;
    if (stash !== undefined) this.exchange?.tunnelFromClient(stash, 0, stash.length);
    if (this.#isEnded) this.exchange?.tunnelEndedByClient();
    else this.resumeBody();
  }

  endTunnel(): void {
    this.connection.end();
  }

  closeTunnel(): void {
    if (this.#state !== 'closed') this.#leave();
  }

  /** Shutting down: an idle connection has nothing to lose, the others finish first. */
  closeIfIdle(): void {
    if (this.#state === 'idle' && this.#stash === undefined) this.#linger();
  }

  destroy(): void {
    if (this.#state === 'closed') return;
    this.exchange?.stopped();
    // A response under way must not look complete.
    if (this.#state === 'exchange' || this.connection.pendingBytes > 0) return this.#reset();
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
        return this.#readBody(buffer, start, end);
      case 'tunnel':
        return this.exchange?.tunnelFromClient(buffer, start, end);
      case 'linger':
        this.#discarded += end - start;
        if (this.#discarded > LINGERING_BYTES_MAX) this.destroy();
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
        return this.exchange?.clientDrained();
      case 'idle':
        this.#watchIdle();
        return this.#unstash();
      case 'linger':
        return wheel.set(this, config.timeouts.lingeringMs);
    }
  }

  onEnd(): void {
    this.#isEnded = true;
    if (this.#state === 'tunnel') this.exchange?.tunnelEndedByClient();
    else if (this.#state === 'exchange') {
      // A half-closed client still gets its answers, but none from a server to half a request.
      if (this.#reader === undefined) this.#askIfGone();
      else this.exchange?.bodyRefused(400, 'the request ended in its body');
    } else if (this.#state !== 'closed' && this.#stash === undefined) this.#leave();
  }

  /** A FIN looks the same from one that has left and from one that only has no more to send. */
  #askIfGone(): void {
    const { ignoreClientAbort } = this.#gateway.config;
    if (ignoreClientAbort === 'on' || this.#stream?.isUnanswered !== true) return;
    if (ignoreClientAbort === 'ask') return this.#gateway.wheel.set(this, ASK_MS);
    this.#gone(false);
    this.connection.destroy();
  }

  onClose(error: string): void {
    if (this.#state === 'closed') return;
    // A tunnel that both sides have ended: the server still takes the last bytes, and the close of
    // its connection calls closeTunnel.
    if (this.#state === 'tunnel' && error === '' && this.exchange?.isServerBehind === true) return;
    this.#gone(error !== '');
  }

  onDeadline(): void {
    const pending = this.connection.pendingBytes;
    if (this.#state === 'linger' ? pending > 0 : this.#isWaitingForDrain) {
      // A slow reader is left alone as long as it reads. What the others got must not look complete.
      if (pending >= this.#pendingSeen) return this.#reset();
      this.#pendingSeen = pending;
      return this.#gateway.wheel.set(this, this.#gateway.config.timeouts.sendMs);
    }
    switch (this.#state) {
      case 'head':
        return this.refuse(408, 'the request head came too slowly');
      case 'exchange':
        if (this.#reader !== undefined) {
          return this.exchange?.bodyRefused(408, 'the request body came too slowly');
        }
        if (this.#stream?.ask() === true) this.#gateway.wheel.set(this, ASK_MS);
        return;
      default:
        return this.destroy();
    }
  }

  // ---- reading requests ---------------------------------------------------------------------

  #readHead(data: Buffer, from: number, to: number): void {
    if (this.#requests === 0 && this.entrance.asksClients) {
      const { tls } = this.connection;
      if (tls !== undefined && tls.problem !== '') return this.refuse(400, tls.problem);
      this.forwarding = this.#gateway.forwardings.of(
        this.connection,
        saidOfClient(this.entrance, tls),
      );
    }
    const reader = this.#reader ?? this.#gateway.readers.lend(this.#gateway);
    this.#reader = reader;
    const head = reader.readHead(data, from, to, this.forwarding);
    if (head?.kind === 'refusal') return this.refuse(head.status, head.reason);
    if (head !== undefined) this.#beginExchange(reader, this.#gateway.withoutCertificates(head));
    else if (reader.isInHead) this.#waitForHead();
  }

  #waitForHead(): void {
    if (this.#state === 'head') return;
    this.#state = 'head';
    // Total, from the first byte: a byte now and then does not extend it (rule 77). The first
    // head of a connection is due from the accept on.
    if (this.#requests === 0) return;
    this.#gateway.wheel.set(this, this.#gateway.config.timeouts.clientHeaderMs);
  }

  #beginExchange(reader: RequestReader, head: Http1Request): void {
    this.#state = 'exchange';
    this.#requests += 1;
    this.#gateway.wheel.clear(this);
    const refusal = reader.beginBody(head);
    if (refusal !== undefined) return this.refuse(refusal.status, refusal.reason, '', head);
    const { buffer, payload, isDone } = reader;
    this.#keepRest(reader);
    if (!isDone) this.#watchBody();
    // Whatever belongs to one request alone is in these two, and ends with them.
    const stream = new Http1ClientStream(this, head);
    const exchange = new Exchange(this.#exchanges, stream, head);
    this.#stream = stream;
    this.exchange = exchange;
    exchange.begin(buffer, payload.start, payload.end, isDone);
  }

  #readBody(buffer: Buffer, start: number, end: number): void {
    const reader = this.#reader;
    if (reader === undefined) return this.#keepForLater(buffer, start, end);
    const { wheel } = this.#gateway;
    const refusal = reader.readBody(buffer, start, end, wheel.nowMs);
    if (refusal) return this.exchange?.bodyRefused(refusal.status, refusal.reason);
    const { payload, isDone } = reader;
    if (isDone) wheel.clear(this);
    else this.#watchBody();
    this.#keepRest(reader);
    this.exchange?.requestBytes(buffer, payload.start, payload.end, isDone);
  }

  /** What the read holds of later requests. Of a whole request nothing is left to read. */
  #keepRest(reader: RequestReader): void {
    const { buffer, stop, end } = reader;
    if (stop < end) this.#keepForLater(buffer, stop, end);
    if (!reader.isDone) return;
    this.#reader = undefined;
    this.#gateway.readers.takeBack(reader);
  }

  /** The client owes us body bytes, unless it is us who do not read or who owe it a write. */
  #watchBody(): void {
    if (this.#isWaitingForDrain || this.#state !== 'exchange') return;
    if (this.#isBodyPaused || this.#reader === undefined) this.#gateway.wheel.clear(this);
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

  #unstash(): void {
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
  }

  // ---- ending -------------------------------------------------------------------------------

  /** FIN behind the last response, then read and discard for a while. */
  #linger(): void {
    this.#state = 'linger';
    this.#stash = undefined;
    this.#reader?.clear();
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
    this.#reader?.clear();
    this.#gateway.wheel.forget(this);
    this.exchange?.clientGone(isBroken);
    this.#onClosed(this);
  }
}
