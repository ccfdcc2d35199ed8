// One connection to a server: sends what the exchange gives it, frames the response and hands it
// on. It belongs to one exchange at a time, or idles in the pool. It does not decide anything:
// failures go to the exchange as values.

import type { Server } from '../../../upstream.ts';
import {
  badResponse,
  closedEarly,
  connectFailure,
  type Failure,
  failure,
  isOffered,
  type ServerStream,
  type ServerStreamHandler,
  whileSending,
} from '../../exchange.ts';
import type { RequestHead } from '../../message.ts';
import { type Connection, type ConnectionHandler, NO_BYTES, TLS_PREFIX } from '../../transport.ts';
import type { Timed } from '../../wheel.ts';
import type { Http1Context } from '../context.ts';
import { Payload } from '../payload.ts';
import { BodyReader, type Http1Response } from '../syntax.ts';
import type { Place } from './connection-pool.ts';
import { Dial } from './dial.ts';
import { RequestWriter } from './request-writer.ts';
import { ResponseHeads } from './response-heads.ts';

/** Interim responses before the final one; a server that sends more is broken (rule 50). */
const INTERIM_MAX = 100;
/**
 * An idle connection younger than this is used without a second look, ms. Under full load connections
 * are younger, and the look would cost a third of the throughput of uploads.
 */
const FRESH_MS = 50;

/** reserved: for an exchange that sends when the connection has proved to be still open. */
type State = 'connecting' | 'idle' | 'reserved' | 'head' | 'body' | 'tunnel' | 'closed';

export class ServerConnection implements ServerStream, ConnectionHandler, Timed {
  deadlineAt = Number.POSITIVE_INFINITY;
  slotTick = -1;
  readonly server: Server;
  readonly place: Place;
  connection: Connection;
  /** True when an exchange before this one has used the connection. */
  isReused = false;
  readonly #gateway: Http1Context;
  #attempt: ServerStreamHandler | undefined;
  #state: State = 'connecting';
  /** A write did not go through at once. */
  #isBlocked = false;
  /** Not read, because the client is slower; at any time of this response. */
  #isPaused = false;
  #wasPaused = false;
  #keepAlive = false;
  #idleMsMax: number;
  #interims = 0;
  #idleSinceMs = 0;
  readonly #dial: Dial;
  readonly #request = new RequestWriter();
  readonly #heads = new ResponseHeads();
  readonly #body = new BodyReader();
  readonly #payload = new Payload();

  constructor(gateway: Http1Context, server: Server, attempt: ServerStreamHandler) {
    this.#gateway = gateway;
    this.server = server;
    this.#attempt = attempt;
    this.#idleMsMax = gateway.config.timeouts.upstreamKeepaliveMs;
    this.place = gateway.pool.place(this);
    this.#dial = new Dial(gateway, this);
    this.connection = this.#dial.first();
  }

  /** Takes an idle connection out of the pool for another exchange. */
  adopt(attempt: ServerStreamHandler): void {
    this.#attempt = attempt;
    this.#gateway.wheel.clear(this);
    this.isReused = true;
    this.#expectResponse();
  }

  /** It was in use just now: an end of it that we have not heard of is unlikely. */
  isFresh(nowMs: number): boolean {
    return nowMs - this.#idleSinceMs < FRESH_MS;
  }

  /**
   * The same for a request that must not be sent twice: `serverConnected` comes after one round of
   * the event loop, in which a FIN or reset that is already here is heard of. Nothing was sent
   * then, and another connection is as good.
   */
  reserve(attempt: ServerStreamHandler): void {
    this.#attempt = attempt;
    this.#gateway.wheel.clear(this);
    this.isReused = true;
    this.#state = 'reserved';
    const send = (): void => {
      if (this.#state !== 'reserved') return;
      this.#expectResponse();
      this.#attempt?.serverConnected();
    };
    // The first turn ends the round under way, the second one comes behind the next poll.
    setImmediate(() => setImmediate(send));
  }

  #expectResponse(): void {
    this.#state = 'head';
    this.#request.reset();
    this.#wasPaused = false;
    this.#interims = 0;
  }

  // ---- sending ------------------------------------------------------------------------------

  get isReady(): boolean {
    return this.#state === 'head';
  }

  get isBehind(): boolean {
    return this.connection.pendingBytes > 0;
  }

  begin(head: RequestHead, extra: string, protocol: string): void {
    this.#request.begin(head, extra, protocol);
  }

  send(buffer: Buffer, start: number, end: number, done: boolean): boolean {
    const ok = this.#request.send(this.connection, buffer, start, end, done);
    if (!ok) this.#isBlocked = true;
    // With the whole request the response is due.
    const isDue = done && this.#state === 'head';
    if (!ok || isDue || this.#state === 'tunnel') this.#watch();
    return ok;
  }

  endTunnel(): void {
    this.connection.end();
  }

  /** The client is slower than the server: stop reading, and do not blame the server for it. */
  pause(): void {
    this.#isPaused = true;
    this.#wasPaused = true;
    this.connection.pause();
    this.#watch();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.connection.resume();
    this.#watch();
  }

  /** Closes it without telling the exchange. */
  discard(isBroken = false): void {
    this.#attempt = undefined;
    this.#close(isBroken);
  }

  /** Sets the deadline of what the server owes us now, while it has an exchange. */
  #watch(): void {
    const { wheel, config } = this.#gateway;
    const { upstreamSendMs, responseMs, readMs, tunnelMs } = config.timeouts;
    if (this.#isBlocked) wheel.set(this, upstreamSendMs);
    else if (this.#isPaused) wheel.clear(this);
    else if (this.#state === 'body') wheel.set(this, readMs);
    else if (this.#state === 'tunnel') wheel.set(this, tunnelMs);
    else if (this.#request.isDone) wheel.set(this, responseMs);
    else wheel.clear(this);
  }

  // ---- events -------------------------------------------------------------------------------

  onConnect(): void {
    this.#gateway.wheel.clear(this);
    this.#dial.succeeded();
    this.#expectResponse();
    this.#attempt?.serverConnected();
  }

  onDrain(): void {
    this.#isBlocked = false;
    if (this.#attempt === undefined) return;
    this.#watch();
    this.#attempt.serverDrained();
  }

  onData(buffer: Buffer, start: number, end: number): void {
    switch (this.#state) {
      case 'head':
        return this.#readHead(buffer, start, end);
      case 'body':
        return this.#readBody(buffer, start, end);
      case 'tunnel':
        this.#watch();
        return this.#attempt?.tunnelBytes(buffer, start, end);
      case 'idle':
      case 'connecting':
        // Nobody asked: whatever this is, it must not answer the next request (rule 66).
        return this.#lost(failure('bad_response', 'bytes came before a request was sent'));
      case 'reserved':
        return this.#lost(this.#closedEarly('sent bytes that nobody asked for'));
      case 'closed':
        return;
    }
  }

  onEnd(): void {
    switch (this.#state) {
      case 'body':
        if (this.#body.finish()) return this.#finish(NO_BYTES, 0, 0, false);
        return this.#cut('the server closed before the response was complete');
      case 'tunnel':
        return this.#attempt?.tunnelEnded();
      case 'closed':
        return;
      default:
        return this.#lost(this.#closedEarly('closed'));
    }
  }

  onClose(error: string): void {
    switch (this.#state) {
      case 'closed':
        return;
      case 'connecting':
        return this.#notConnected(error);
      case 'body':
        return this.#cut(`the server's connection broke (${error || 'closed'})`);
      case 'tunnel':
        return this.#leave()?.tunnelClosed(error === '' ? 'ended' : 'broken');
      default:
        return this.#lost(this.#closedEarly('broke the connection', ` (${error || 'closed'})`));
    }
  }

  #notConnected(code: string): void {
    if (!this.#dial.again(code)) this.#lost(connectFailure(code, this.server.id));
  }

  onDeadline(): void {
    const { server } = this;
    switch (this.#state) {
      case 'connecting':
        return this.#notConnected(
          this.connection.isShaking === true ? `${TLS_PREFIX}ETIMEDOUT` : 'ETIMEDOUT',
        );
      case 'head':
        return this.#lost(
          this.#request.isDone && this.connection.pendingBytes === 0
            ? failure('response_timeout', `server ${server.id} did not answer in time`)
            : failure('send_timeout', `server ${server.id} did not take the request in time`),
        );
      case 'body':
        // A stream may have nothing to say for that long, and clients can ask for as many.
        return this.#cut('the server stopped sending in the middle of the response', 'gateway');
      case 'tunnel':
        return this.#leave()?.tunnelClosed('idle');
      case 'idle':
        return this.#close();
      case 'closed':
        return;
    }
  }

  // ---- reading the response -----------------------------------------------------------------

  #readHead(data: Buffer, from: number, to: number): void {
    const heads = this.#heads;
    const attempt = this.#attempt;
    if (attempt === undefined) return this.#close();
    const { requestMethod } = attempt;
    const { responseHeadBytesMax } = this.#gateway.config.limits;
    let head = heads.read(data, from, to, requestMethod, responseHeadBytesMax);
    for (; head !== undefined; head = heads.next(requestMethod, responseHeadBytesMax)) {
      if (head.kind === 'refusal') return this.#lost(badResponse(this.server.id, head.reason));
      if (head.status === 101) return this.#openTunnel(head);
      if (head.status >= 200) return this.#beginBody(head);
      this.#interims += 1;
      if (this.#interims > INTERIM_MAX) {
        return this.#lost(badResponse(this.server.id, 'too many interim responses'));
      }
      attempt.responseInterim(head);
      if (this.#attempt !== attempt) return; // The client went away meanwhile.
    }
  }

  #closedEarly(what: string, code = ''): Failure {
    const { id } = this.server;
    if (this.#interims > 0) return badResponse(id, 'an interim response alone');
    return closedEarly(id, this.#heads.isPartial, what, code);
  }

  #beginBody(head: Http1Response): void {
    this.#state = 'body';
    this.#keepAlive = head.keepAlive && head.framing !== 'close';
    if (head.keepAliveSeconds >= 0) {
      // One second less than the server says: the request in flight must not meet its FIN.
      const saidMs = Math.max(0, head.keepAliveSeconds * 1000 - 1000);
      this.#idleMsMax = Math.min(this.#gateway.config.timeouts.upstreamKeepaliveMs, saidMs);
    }
    this.#body.reset(head.framing, head.contentLength, this.#gateway.responseBodyLimits);
    this.#attempt?.responseHead(head);
    if (this.#state !== 'body') return;
    const { buffer, start, end } = this.#heads;
    this.#readBody(buffer, start, end);
  }

  #readBody(buffer: Buffer, start: number, end: number): void {
    this.#payload.reset(start);
    const consumed = this.#body.read(buffer, start, end, this.#payload);
    if (this.#body.refusal !== undefined) {
      this.#relay(buffer);
      return this.#cut(`the server's body is not valid: ${this.#body.refusal.reason}`);
    }
    if (this.#body.done) {
      return this.#finish(buffer, this.#payload.start, this.#payload.end, consumed === end);
    }
    this.#watch();
    this.#relay(buffer);
  }

  #relay(buffer: Buffer): void {
    this.#attempt?.responseBytes(buffer, this.#payload.start, this.#payload.end, false);
  }

  /** The response is complete: back into the pool if nothing speaks against it, then tell. */
  #finish(buffer: Buffer, start: number, end: number, isClean: boolean): void {
    const attempt = this.#attempt;
    // Interim responses in the same read may have paused it; an idle connection must be read.
    this.resume();
    const isReusable =
      isClean && this.#keepAlive && this.#request.isDone && this.connection.pendingBytes === 0;
    this.#attempt = undefined;
    if (isReusable) {
      this.#state = 'idle';
      this.#heads.release();
      this.#idleSinceMs = this.#gateway.now();
      this.#gateway.wheel.set(this, this.#idleMsMax);
      this.#gateway.pool.release(this.place);
    } else this.#close();
    attempt?.responseBytes(buffer, start, end, true);
  }

  #openTunnel(head: Http1Response): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return this.#close();
    if (!isOffered(attempt.offeredUpgrade, head.upgrade)) {
      return this.#lost(badResponse(this.server.id, '101 for a protocol that was not offered'));
    }
    this.#state = 'tunnel';
    this.#watch();
    attempt.tunnelOpened(head);
    const { buffer, start, end } = this.#heads;
    if (start < end && this.#attempt === attempt) attempt.tunnelBytes(buffer, start, end);
  }

  // ---- ending -------------------------------------------------------------------------------

  #lost(failed: Failure): void {
    const isUnfinished = this.#state === 'head' && this.#isSending;
    this.#leave()?.attemptFailed(isUnfinished ? whileSending(failed) : failed);
  }

  /** A server may give up a client that does not read, or go on sending what it does not take. */
  #cut(reason: string, source: Failure['source'] = 'server'): void {
    const isClients = this.#isSending || this.#wasPaused;
    this.#leave()?.responseCut(reason, isClients ? 'client' : source);
  }

  /** The request is not whole yet, or the server has not taken all of it. */
  get #isSending(): boolean {
    return !this.#request.isDone || this.connection.pendingBytes > 0;
  }

  /** Closes, and returns whom to tell. */
  #leave(): ServerStreamHandler | undefined {
    const attempt = this.#attempt;
    this.discard();
    return attempt;
  }

  #close(isBroken = false): void {
    if (this.#state === 'closed') return;
    this.#gateway.pool.closed(this.place, this.#state === 'idle');
    this.#state = 'closed';
    this.#gateway.wheel.forget(this);
    if (isBroken) this.connection.reset();
    else this.connection.destroy();
  }
}
