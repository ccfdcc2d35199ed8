// One client request and its response: picks a server, sends the request, relays the response, and
// tries another server where that is safe. One object per client connection, used again for each of
// its requests. One attempt is one pass through #tryNext.
//
//   begin → #tryNext → #sendRequest → responseHead → responseBytes … done → #finish
//              ▲                         │
//              └──── attemptFailed ◄─────┘ (nothing relayed yet, and retry.ts allows it)

import type { Server, Upstream } from '../upstream.ts';
import type { ClientConnection } from './client-connection.ts';
import type { GatewayContext } from './context.ts';
import type { RequestHead, ResponseHead } from './http1.ts';
import {
  chunkHead,
  interimHeadText,
  isIdempotent,
  LAST_CHUNK,
  requestHeadText,
  responseFraming,
  responseHeadText,
  upgradeRequestHeadText,
} from './http1.ts';
import { type Failure, mayRetry } from './retry.ts';
import { type Attempt, ServerConnection } from './server-connection.ts';
import { NO_BYTES } from './transport.ts';

/** How an exchange ended; refused: no upstream was involved. */
type Result = 'answered' | 'cut' | 'lost' | 'clientGone' | 'refused';

/** The kept body of a request that has none. */
const NO_PIECES: Buffer[] = [];

export class Exchange implements Attempt {
  requestMethod = '';
  offeredUpgrade = '';
  isActive = false;
  readonly #gateway: GatewayContext;
  readonly #client: ClientConnection;
  #head: RequestHead | undefined;
  #upstream: Upstream | undefined;
  #server: Server | undefined;
  #connection: ServerConnection | undefined;
  #tried: Server[] = [];
  #startedMs = 0;
  #failed: Failure | undefined;
  /** All of the body so far, kept while it may have to be sent (again); undefined: not kept. */
  #replay: Buffer[] | undefined;
  #replayBytes = 0;
  /** The client's body is complete. */
  #isBodyDone = false;
  /** The request of this attempt went to an established connection, if only in part. */
  #isSent = false;
  #isRetried = false;
  #isFreshOnly = false;
  #isContinued = false;
  #isTunnel = false;
  #isResponseBegun = false;
  #isChunkedToClient = false;
  #keepsAlive = false;
  #headText = '';
  #status = 0;
  #bytes = 0;

  constructor(gateway: GatewayContext, client: ClientConnection) {
    this.#gateway = gateway;
    this.#client = client;
  }

  // ---- from the client ----------------------------------------------------------------------

  /** A request head and the first piece of its body, which may be empty. */
  begin(head: RequestHead, buffer: Buffer, start: number, end: number, done: boolean): void {
    const gateway = this.#gateway;
    const nowMs = gateway.now();
    this.#head = head;
    this.isActive = true;
    this.requestMethod = head.method;
    this.#isBodyDone = done;
    this.#replay = head.framing === 'none' ? NO_PIECES : [];
    this.#startedMs = nowMs;
    const name = gateway.routes.match(head.host, head.target);
    const upstream = name === undefined ? undefined : gateway.upstreams.get(name);
    if (upstream === undefined) {
      return this.#answer(
        name === undefined ? 404 : 503,
        name === undefined
          ? `no route for host "${head.host}" and this path`
          : `upstream "${name}" does not exist`,
      );
    }
    this.#upstream = upstream;
    upstream.began(nowMs);
    this.offeredUpgrade = head.upgrade === '' ? '' : this.#allowedUpgrade(head.upgrade);
    this.#tryNext(upstream, buffer, start, end);
  }

  /** More of the request's body. */
  requestBytes(buffer: Buffer, start: number, end: number, done: boolean): void {
    if (done) this.#isBodyDone = true;
    if (!this.isActive) return;
    if (this.#isSent && this.#connection !== undefined) {
      this.#retain(buffer, start, end);
      return this.#sendBody(this.#connection, '', buffer, start, end);
    }
    this.#retain(buffer, start, end);
    this.#client.pauseBody();
  }

  /** The client can take more of the response. */
  clientDrained(): void {
    this.#connection?.resume();
  }

  /** The client went away, or stopped reading or sending for too long. */
  clientGone(isBroken: boolean): void {
    if (!this.isActive) return;
    this.#connection?.discard(this.#isTunnel && isBroken);
    this.#connection = undefined;
    this.#end(this.#isTunnel ? 'answered' : 'clientGone', this.#isTunnel ? '' : 'client gone');
  }

  /** The client was too slow with its body: 408 if nothing was answered yet. */
  bodyTimedOut(): void {
    if (!this.isActive) return;
    this.#connection?.discard();
    this.#connection = undefined;
    const isBegun = this.#isResponseBegun;
    this.#end('clientGone', 'the request body came too slowly');
    if (isBegun) this.#client.cut();
    else this.#client.refuse(408, 'the request body came too slowly');
  }

  /** What the client sent is not HTTP: nothing of it may look complete to the server. */
  bodyRefused(status: number, reason: string): void {
    if (!this.isActive) return;
    this.#connection?.discard();
    this.#connection = undefined;
    const isBegun = this.#isResponseBegun;
    this.#end('clientGone', reason);
    if (isBegun) this.#client.cut();
    else this.#client.refuse(status, reason);
  }

  /** The server has not taken all that the client sent. */
  get isServerBehind(): boolean {
    return this.#connection !== undefined && this.#connection.connection.pendingBytes > 0;
  }

  tunnelFromClient(buffer: Buffer, start: number, end: number): void {
    if (this.#connection?.send('', buffer, start, end, '') === false) this.#client.pauseBody();
  }

  tunnelEndedByClient(): void {
    this.#connection?.connection.end();
  }

  // ---- attempts -----------------------------------------------------------------------------

  /** False when there is no server to try; then the client has its answer. */
  #tryNext(upstream: Upstream, buffer: Buffer, start: number, end: number): boolean {
    const nowMs = this.#gateway.now();
    const server = upstream.pick(this.#tried, nowMs);
    if (server === undefined) {
      const failed = this.#failed;
      if (failed === undefined) this.#answer(503, upstream.refusal(nowMs));
      else this.#answer(failed.status, failed.reason);
      return false;
    }
    this.#server = server;
    this.#isSent = false;
    const idle = this.#isFreshOnly ? undefined : this.#gateway.pool.take(server);
    if (idle !== undefined) {
      idle.adopt(this);
      this.#connection = idle;
      this.#sendRequest(idle, buffer, start, end);
      return true;
    }
    // Nobody has these bytes yet: keep them until the connection stands.
    if (end > start) this.#retain(buffer, start, end);
    if (!this.#isBodyDone) this.#client.pauseBody();
    this.#connection = new ServerConnection(this.#gateway, server, this);
    return true;
  }

  serverConnected(): void {
    if (this.#connection !== undefined) this.#sendRequest(this.#connection, NO_BYTES, 0, 0);
  }

  /** Head, what was kept of the body, then the piece at hand. */
  #sendRequest(connection: ServerConnection, buffer: Buffer, start: number, end: number): void {
    const head = this.#head;
    if (head === undefined) return;
    this.#isSent = true;
    const extra = this.#client.forwardedText(head);
    let text =
      this.offeredUpgrade === ''
        ? requestHeadText(head, extra, head.framing)
        : upgradeRequestHeadText(head, extra, this.offeredUpgrade);
    for (const piece of this.#replay ?? NO_PIECES) {
      this.#sendPiece(connection, text, piece, 0, piece.length, '');
      text = '';
    }
    if (!isIdempotent(head.method)) this.#forgetReplay();
    else if (end > start) this.#retain(buffer, start, end);
    if (!this.#isBodyDone) this.#client.resumeBody();
    this.#sendBody(connection, text, buffer, start, end);
  }

  /** A piece of the body, with the end of the body when it is the last. */
  #sendBody(
    connection: ServerConnection,
    text: string,
    buffer: Buffer,
    start: number,
    end: number,
  ): void {
    const isLast = this.#isBodyDone && this.#head?.framing === 'chunked';
    const ok = this.#sendPiece(connection, text, buffer, start, end, isLast ? LAST_CHUNK : '');
    if (this.#isBodyDone) connection.requestSent();
    else if (!ok) this.#client.pauseBody();
  }

  #sendPiece(
    connection: ServerConnection,
    text: string,
    buffer: Buffer,
    start: number,
    end: number,
    after: string,
  ): boolean {
    if (end === start) {
      return text === '' && after === '' ? true : connection.send(text + after, NO_BYTES, 0, 0, '');
    }
    return this.#head?.framing === 'chunked'
      ? connection.send(text + chunkHead(end - start), buffer, start, end, `\r\n${after}`)
      : connection.send(text, buffer, start, end, after);
  }

  serverDrained(): void {
    if (this.#isTunnel || !this.#isBodyDone) this.#client.resumeBody();
  }

  attemptFailed(failed: Failure): void {
    const { config, now, pool } = this.#gateway;
    const server = this.#server;
    const upstream = this.#upstream;
    const connection = this.#connection;
    const nowMs = now();
    this.#connection = undefined;
    this.#failed = failed;
    if (server === undefined || upstream === undefined || connection === undefined) return;
    // A kept-alive connection that the server had closed says nothing about the server. Its other
    // idle connections are likely as dead, so the next attempt takes a new one, on any server.
    const isStale = connection.reused && failed.code === 'closed_early';
    if (isStale) {
      pool.clear(server);
      this.#isFreshOnly = true;
    } else this.#tried.push(server);
    this.#server = undefined;
    server.settle(failed.source === 'server' && !isStale ? 'failure' : 'neutral', nowMs);
    const isAllowed =
      mayRetry(failed, {
        idempotent: isIdempotent(this.requestMethod),
        replayable: this.#replay !== undefined,
        sent: this.#isSent,
      }) &&
      (config.tries === 0 || this.#tried.length < config.tries) &&
      (config.triesTimeoutMs === 0 || nowMs - this.#startedMs < config.triesTimeoutMs);
    if (!isAllowed) {
      server.counters.lost += 1;
      return this.#answer(failed.status, failed.reason);
    }
    if (!this.#tryNext(upstream, NO_BYTES, 0, 0)) {
      server.counters.lost += 1;
      return;
    }
    server.counters.retried += 1;
    if (!this.#isRetried) upstream.counters.retried += 1;
    this.#isRetried = true;
  }

  // ---- the response -------------------------------------------------------------------------

  responseInterim(head: ResponseHead): void {
    if (this.#head?.minor !== 1) return;
    if (head.status === 100) {
      if (this.#head.expectContinue !== true || this.#isContinued) return;
      this.#isContinued = true;
    }
    // What was relayed cannot be taken back: no other attempt (rule 74).
    this.#forgetReplay();
    this.#client.connection.writeText(interimHeadText(head));
  }

  responseHead(head: ResponseHead): void {
    const request = this.#head;
    if (request === undefined) return;
    this.#isResponseBegun = true;
    this.#forgetReplay();
    const framing = responseFraming(head.framing, request.minor);
    this.#isChunkedToClient = framing === 'chunked';
    // With the request still on its way, the end of this connection is the only safe next step.
    this.#keepsAlive =
      this.#isBodyDone && framing !== 'close' && this.#client.mayKeepAlive(request);
    this.#status = head.status;
    this.#headText = responseHeadText(head, {
      requestMethod: this.requestMethod,
      clientMinor: request.minor,
      framing,
      keepAlive: this.#keepsAlive,
    });
  }

  responseBytes(buffer: Buffer, start: number, end: number, done: boolean): void {
    let before = this.#headText;
    let after = '';
    this.#headText = '';
    const bodyBytes = end - start;
    this.#bytes += bodyBytes;
    if (this.#isChunkedToClient) {
      if (bodyBytes > 0) {
        before += chunkHead(bodyBytes);
        after = done ? `\r\n${LAST_CHUNK}` : '\r\n';
      } else if (done) after = LAST_CHUNK;
    }
    if (done) {
      if (before !== '' || bodyBytes > 0 || after !== '') {
        const ok = this.#client.connection.write(before, buffer, start, end, after);
        if (!ok) this.#client.waitForDrain();
      }
      this.#connection = undefined;
      return this.#finish();
    }
    if (before === '' && bodyBytes === 0) return;
    if (!this.#client.connection.write(before, buffer, start, end, after)) {
      this.#connection?.pause();
      this.#client.waitForDrain();
    }
  }

  responseCut(reason: string): void {
    this.#connection = undefined;
    if (this.#server !== undefined) this.#server.counters.cut += 1;
    this.#end('cut', reason, 'failure');
    this.#client.cut();
  }

  // ---- upgrade ------------------------------------------------------------------------------

  tunnelOpened(head: ResponseHead): void {
    this.#isTunnel = true;
    this.#isResponseBegun = true;
    this.#status = 101;
    if (this.#server !== undefined) this.#server.counters.answered += 1;
    this.#client.connection.writeText(interimHeadText(head));
    this.#client.tunnelOpened();
  }

  tunnelBytes(buffer: Buffer, start: number, end: number): void {
    this.#bytes += end - start;
    if (!this.#client.connection.write('', buffer, start, end, '')) {
      this.#connection?.pause();
      this.#client.waitForDrain();
    }
  }

  tunnelEnded(): void {
    this.#client.connection.end();
  }

  tunnelClosed(isBroken: boolean): void {
    this.#connection = undefined;
    this.#end('answered', '');
    if (isBroken) this.#client.cut();
    else this.#client.tunnelClosed();
  }

  #allowedUpgrade(offered: string): string {
    const allowed = this.#gateway.config.upgrade;
    return offered
      .split(',')
      .map((token) => token.trim())
      .filter((token) => allowed.includes(token))
      .join(', ');
  }

  // ---- ending -------------------------------------------------------------------------------

  #finish(): void {
    if (this.#server !== undefined) this.#server.counters.answered += 1;
    const keepsAlive = this.#keepsAlive;
    this.#end('answered', '', 'success');
    this.#client.exchangeDone(keepsAlive);
  }

  /** The gateway's own answer: no server could be asked, or none gave an answer. */
  #answer(status: number, reason: string): void {
    const head = this.#head;
    if (head === undefined) return;
    const keepsAlive = this.#isBodyDone && this.#client.mayKeepAlive(head);
    this.#status = status;
    this.#end(this.#upstream === undefined ? 'refused' : 'lost', reason);
    this.#client.answer(status, reason, keepsAlive, head.method);
  }

  /** Settles and forgets: after it the object is ready for the next request. */
  #end(
    result: Result,
    reason: string,
    outcome: 'success' | 'failure' | 'neutral' = 'neutral',
  ): void {
    const nowMs = this.#gateway.now();
    this.#server?.settle(outcome, nowMs);
    const upstream = this.#upstream;
    if (upstream !== undefined) {
      const statusClass = this.#status >= 100 && this.#status < 600 ? (this.#status / 100) | 0 : 0;
      upstream.counters.statuses[statusClass] = (upstream.counters.statuses[statusClass] ?? 0) + 1;
      if (result !== 'refused') upstream.ended(result, nowMs, this.#startedMs);
    }
    const { accessLog } = this.#gateway;
    if (accessLog !== undefined && this.#head !== undefined) {
      const servers = this.#tried.map((server) => server.id);
      if (this.#server !== undefined) servers.push(this.#server.id);
      accessLog.write({
        client: this.#client.connection.remoteAddress,
        method: this.#head.method,
        host: this.#head.host,
        target: this.#head.target,
        status: this.#status,
        bytes: this.#bytes,
        ms: nowMs - this.#startedMs,
        upstream: this.#upstream?.name ?? '',
        servers,
        result,
        reason,
      });
    }
    this.isActive = false;
    this.#head = undefined;
    this.#upstream = undefined;
    this.#server = undefined;
    if (this.#tried.length > 0) this.#tried = [];
    this.#failed = undefined;
    this.#forgetReplay();
    this.#isSent = false;
    this.#isRetried = false;
    this.#isFreshOnly = false;
    this.#isContinued = false;
    this.#isTunnel = false;
    this.#isResponseBegun = false;
    this.#isChunkedToClient = false;
    this.#headText = '';
    this.#status = 0;
    this.#bytes = 0;
    this.offeredUpgrade = '';
  }

  /** Keeps a copy of a piece of the body, up to the relay limit; beyond it nothing is kept. */
  #retain(buffer: Buffer, start: number, end: number): void {
    if (end === start || this.#replay === undefined) return;
    this.#replayBytes += end - start;
    if (this.#isSent && this.#replayBytes > this.#gateway.config.limits.relayBytesMax) {
      return this.#forgetReplay();
    }
    this.#replay.push(Buffer.from(buffer.subarray(start, end)));
  }

  #forgetReplay(): void {
    this.#replay = undefined;
    this.#replayBytes = 0;
  }
}
