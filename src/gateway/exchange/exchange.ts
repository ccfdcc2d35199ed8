// One client request and its response: picks a server, sends the request, relays the response, and
// tries another server where that is safe. One object per client connection, used again for each of
// its requests. One attempt is one pass through #tryNext.
//
//   begin → #tryNext → #sendRequest → responseHead → responseBytes … done → #finish
//              ▲                         │
//              └──── attemptFailed ◄─────┘ (nothing relayed yet, and retry.ts allows it)

import type { Outcome, Server, Upstream } from '../../upstream.ts';
import type { GatewayContext } from '../context.ts';
import { Download } from '../http1/client-side/response-writer.ts';
import { ServerConnection } from '../http1/server-side/server-connection.ts';
import type { RequestHead, ResponseHead } from '../http1/syntax.ts';
import { interimHeadText, isIdempotent, requestHeadText } from '../http1/syntax.ts';
import { answerPage, type Page, type PageRoute } from '../routing/pages.ts';
import { NO_BYTES } from '../transport.ts';
import { countExchange, countTunnel, countTunnelEnd, idsOf, type Result } from './account.ts';
import { Attempts } from './attempts.ts';
import type { Client } from './client-stream.ts';
import { Upload } from './request-body.ts';
import { type Failure, mayRetry } from './retry.ts';
import type { Attempt } from './server-stream.ts';
import { Tunnel } from './tunnel.ts';
import { allowedUpgrade } from './upgrade.ts';

export class Exchange implements Attempt {
  requestMethod = '';
  offeredUpgrade = '';
  isActive = false;
  readonly #gateway: GatewayContext;
  readonly #client: Client;
  readonly #attempts: Attempts;
  readonly #upload: Upload;
  readonly #download = new Download();
  #head: RequestHead | undefined;
  #upstream: Upstream | undefined;
  #server: Server | undefined;
  #connection: ServerConnection | undefined;
  #startedMs = 0;
  /** The request of this attempt went to an established connection, if only in part. */
  #isSent = false;
  #isContinued = false;
  #isWaiting = false; // The request is whole, and no response has begun.
  #tunnel: Tunnel | undefined;

  constructor(gateway: GatewayContext, client: Client) {
    this.#gateway = gateway;
    this.#client = client;
    this.#attempts = new Attempts(client);
    this.#upload = new Upload(gateway.config.limits.relayBytesMax);
  }

  async #showPage(route: PageRoute, head: RequestHead): Promise<void> {
    const answer = await answerPage(route, { head, client: this.#client, gateway: this.#gateway });
    // Where the client has left meanwhile there is nothing to answer, and nothing else came in.
    this.#answer(answer.status, answer.reason, answer.page);
  }

  // ---- from the client ----------------------------------------------------------------------

  /** A request head and the first piece of its body, which may be empty. */
  begin(head: RequestHead, buffer: Buffer, start: number, end: number, done: boolean): void {
    const gateway = this.#gateway;
    this.#head = head;
    this.#attempts.begin(head);
    this.isActive = true;
    this.requestMethod = head.method;
    this.#upload.begin(head.framing, done);
    this.#startedMs = gateway.now();
    const route = gateway.routes.match(head.host, head.target);
    if ('status' in route) return this.#answer(route.status, route.reason);
    if ('page' in route) return void this.#showPage(route, head);
    const upstream = gateway.upstreams.get(route.upstream);
    this.#upstream = upstream;
    if (upstream === undefined) return this.#answer(503, `no upstream "${route.upstream}"`);
    upstream.began(this.#startedMs, done);
    this.#isWaiting = done;
    this.offeredUpgrade =
      head.upgrade === '' ? '' : allowedUpgrade(head.upgrade, gateway.config.upgrade);
    this.#upload.holdBytes = done ? 0 : (gateway.config.requestBuffering[route.upstream] ?? 0);
    if (this.#upload.holdBytes > 0) this.#hold(buffer, start, end);
    else this.#tryNext(upstream, buffer, start, end);
  }

  #hold(buffer: Buffer, start: number, end: number): void {
    if (this.#head?.expectContinue === true && !this.#isContinued) {
      this.#isContinued = true;
      this.#client.connection.writeText('HTTP/1.1 100 Continue\r\n\r\n');
    }
    if (this.#upload.hold(buffer, start, end) || this.#upstream === undefined) return;
    this.#tryNext(this.#upstream, NO_BYTES, 0, 0);
  }

  /** More of the request's body. */
  requestBytes(buffer: Buffer, start: number, end: number, done: boolean): void {
    if (done) this.#upload.isDone = true;
    if (!this.isActive) return;
    if (done && this.#download.cutBy === '') {
      this.#isWaiting = true;
      this.#upstream?.waits(this.#gateway.now());
    }
    if (this.#upload.holdBytes > 0) return this.#hold(buffer, start, end);
    this.#upload.keep(buffer, start, end, this.#isSent);
    if (!this.#isSent || this.#connection === undefined) {
      if (this.#upload.isFull) this.#client.pauseBody();
    } else if (!this.#upload.send(this.#connection, '', buffer, start, end))
      this.#client.pauseBody();
  }

  /** The client can take more of the response. */
  clientDrained(): void {
    this.#connection?.resume();
  }

  /** The client went away, or stopped reading or sending for too long. */
  clientGone(isBroken: boolean): void {
    if (!this.isActive) return;
    this.#connection?.discard(this.#tunnel !== undefined && isBroken);
    this.#connection = undefined;
    if (this.#tunnel === undefined) this.#end('clientGone', 'client gone');
    else this.#endTunnel('client');
  }

  stopped(): void {
    if (!this.isActive) return;
    this.#connection?.discard();
    this.#connection = undefined;
    if (this.#tunnel !== undefined) this.#endTunnel('gateway');
    else this.#end(this.#download.cutBy === '' ? 'lost' : 'cut', 'the gateway stopped');
  }

  /** The client's body is not HTTP, or too slow: nothing of it may look complete to the server. */
  bodyRefused(status: number, reason: string): void {
    if (!this.isActive) return;
    this.#connection?.discard();
    this.#connection = undefined;
    const { cutBy } = this.#download;
    this.#end('clientGone', reason);
    if (cutBy === '') this.#client.refuse(status, reason);
    else this.#client.cut(cutBy);
  }

  get isUnanswered(): boolean {
    return this.#download.cutBy === '';
  }

  get isServerBehind(): boolean {
    return (this.#connection?.connection.pendingBytes ?? 0) > 0;
  }

  tunnelFromClient(buffer: Buffer, start: number, end: number): void {
    this.#tunnel?.clientSent(buffer, start, end);
    if (this.#connection?.send('', buffer, start, end, '') === false) this.#client.pauseBody();
  }

  tunnelEndedByClient(): void {
    this.#tunnel?.endedBy('client');
    this.#connection?.connection.end();
  }

  // ---- attempts -----------------------------------------------------------------------------

  /** False: no server to try; the client has its answer. */
  #tryNext(upstream: Upstream, buffer: Buffer, start: number, end: number): boolean {
    const nowMs = this.#gateway.now();
    const server = upstream.pick(this.#attempts, nowMs);
    if (server === undefined) {
      const { failed } = this.#attempts;
      if (failed === undefined) this.#answer(503, upstream.refusal(nowMs));
      else this.#answer(failed.status, failed.reason);
      return false;
    }
    this.#server = server;
    this.#attempts.startedMs = nowMs;
    this.#isSent = false;
    const idle = this.#attempts.isFreshOnly ? undefined : this.#gateway.pool.take(server);
    if (idle !== undefined && (isIdempotent(this.requestMethod) || idle.isFresh(nowMs))) {
      idle.adopt(this);
      this.#connection = idle;
      this.#sendRequest(idle, buffer, start, end);
      return true;
    }
    // Nobody has these bytes yet: keep them until the connection stands.
    this.#upload.keep(buffer, start, end, false);
    if (this.#upload.isFull) this.#client.pauseBody();
    idle?.reserve(this);
    this.#connection = idle ?? new ServerConnection(this.#gateway, server, this);
    return true;
  }

  serverConnected(): void {
    if (this.#connection !== undefined) this.#sendRequest(this.#connection, NO_BYTES, 0, 0);
  }

  #sendRequest(connection: ServerConnection, buffer: Buffer, start: number, end: number): void {
    const head = this.#head;
    if (head === undefined) return;
    this.#isSent = true;
    const extra = this.#client.forwarding.text(head);
    const text = requestHeadText(head, extra, head.framing, this.offeredUpgrade);
    const rest = this.#upload.sendKept(connection, text);
    if (isIdempotent(head.method)) this.#upload.keep(buffer, start, end, true);
    else this.#upload.forget();
    if (!this.#upload.isDone) this.#client.resumeBody();
    if (!this.#upload.send(connection, rest, buffer, start, end)) this.#client.pauseBody();
  }

  serverDrained(): void {
    if (this.#tunnel !== undefined || !this.#upload.isDone) this.#client.resumeBody();
  }

  attemptFailed(failed: Failure): void {
    const { config, now, pool } = this.#gateway;
    const server = this.#server;
    const upstream = this.#upstream;
    const connection = this.#connection;
    const nowMs = now();
    this.#connection = undefined;
    this.#attempts.failed = failed;
    if (server === undefined || upstream === undefined || connection === undefined) return;
    // A kept-alive connection that the server had closed says nothing about it. Its other idle ones
    // are likely as dead, so the next attempt takes a new one, on any server.
    const isStale = connection.reused && failed.code === 'closed_early';
    if (isStale) {
      pool.clear(server);
      this.#attempts.isFreshOnly = true;
    } else this.#attempts.tried.push(server);
    this.#server = undefined;
    const hasOther = upstream.hasOther(server, nowMs);
    const outcome = isStale ? 'neutral' : this.#attempts.outcomeOf(failed, hasOther);
    upstream.settle(server, outcome, nowMs, nowMs - this.#attempts.startedMs, failed.reason);
    const isAllowed =
      mayRetry(failed, {
        idempotent: isIdempotent(this.requestMethod),
        replayable: this.#upload.isReplayable,
        sent: this.#isSent,
      }) &&
      (config.tries === 0 || this.#attempts.tried.length < config.tries) &&
      (config.triesTimeoutMs === 0 || nowMs - this.#startedMs < config.triesTimeoutMs);
    if (!isAllowed) this.#answer(failed.status, failed.reason);
    if (!isAllowed || !this.#tryNext(upstream, NO_BYTES, 0, 0)) {
      server.counters.lost += 1;
      return;
    }
    server.counters.retried += 1;
    if (!this.#attempts.isRetried) upstream.counters.retried += 1;
    this.#attempts.isRetried = true;
  }

  responseInterim(head: ResponseHead): void {
    if (this.#head?.minor !== 1) return;
    if (head.status === 100) {
      if (this.#head.expectContinue !== true || this.#isContinued) return;
      this.#isContinued = true;
    }
    // What was relayed cannot be taken back: no other attempt (rule 74).
    this.#upload.forget();
    if (!this.#client.connection.writeText(interimHeadText(head))) this.#waitForClient(false);
  }

  responseHead(head: ResponseHead): void {
    const request = this.#head;
    const upstream = this.#upstream;
    const server = this.#server;
    if (request === undefined || upstream === undefined || server === undefined) return;
    this.#upload.forget();
    // With the request still on its way, the end of this connection is the only safe next step.
    const mayKeepAlive = this.#upload.isDone && this.#client.mayKeepAlive(request);
    this.#attempts.tookMs = this.#gateway.now() - this.#attempts.startedMs;
    this.#download.begin(request, this.#attempts.withCookie(head, upstream, server), mayKeepAlive);
  }

  responseBytes(buffer: Buffer, start: number, end: number, done: boolean): void {
    if (this.#isWaiting && !done) this.#upstream?.responds(this.#gateway.now());
    if (!done) this.#isWaiting = false;
    const ok = this.#download.send(this.#client.connection, buffer, start, end, done);
    if (!ok) this.#waitForClient(done);
    if (done) this.#finish();
  }

  /** The client is slower than the server: no more is taken from it, unless it is done with us. */
  #waitForClient(isDone: boolean): void {
    if (!isDone) this.#connection?.pause();
    this.#client.waitForDrain();
  }

  responseCut(reason: string, source: Failure['source']): void {
    const server = this.#server;
    this.#connection = undefined;
    if (server === undefined) return;
    const { cutBy } = this.#download;
    const hasOther = this.#upstream?.hasOther(server, this.#gateway.now()) === true;
    this.#end('cut', reason, this.#attempts.outcomeOf({ source, retry: 'no' }, hasOther));
    this.#client.cut(cutBy || 'reset');
  }

  /** The request is answered; what follows is counted as a tunnel, and the server stays busy. */
  tunnelOpened(head: ResponseHead): void {
    const server = this.#server;
    const upstream = this.#upstream;
    if (server === undefined || upstream === undefined) return;
    this.#tunnel = new Tunnel(head.upgrade);
    this.#download.cutBy = 'reset';
    this.#download.status = 101;
    countTunnel(upstream, server);
    upstream.ended('answered', this.#gateway.now(), this.#startedMs, this.#isWaiting);
    this.#client.connection.writeText(
      interimHeadText(this.#attempts.withCookie(head, upstream, server)),
    );
    this.#client.tunnelOpened();
  }

  tunnelBytes(buffer: Buffer, start: number, end: number): void {
    this.#tunnel?.serverSent(buffer, start, end);
    this.#download.bodyBytes += end - start;
    if (!this.#client.connection.write('', buffer, start, end, '')) this.#waitForClient(false);
  }

  tunnelEnded(): void {
    this.#tunnel?.endedBy('server');
    this.#client.connection.end();
  }

  tunnelClosed(how: 'ended' | 'broken' | 'idle'): void {
    this.#connection = undefined;
    this.#endTunnel(how === 'idle' ? 'idle' : 'server', how === 'broken');
    if (how === 'broken') this.#client.cut('reset');
    else this.#client.tunnelClosed();
  }

  #endTunnel(by: Parameters<Tunnel['endedBy']>[0], isBroken = false): void {
    const tunnel = this.#tunnel;
    const server = this.#server;
    const upstream = this.#upstream;
    if (tunnel === undefined || server === undefined || upstream === undefined) return;
    tunnel.endedBy(by, isBroken);
    const reason = countTunnelEnd(tunnel, upstream, server);
    this.#end(reason === '' ? 'answered' : 'cut', reason);
  }

  #finish(): void {
    this.#connection = undefined;
    const { keepsAlive } = this.#download;
    this.#end('answered', '', 'success');
    this.#client.exchangeDone(keepsAlive);
  }

  /** The gateway's own answer: no server could be asked, or none gave an answer. */
  #answer(status: number, reason: string, page?: Page): void {
    const head = this.#head;
    if (head === undefined) return;
    const keepsAlive = this.#upload.isDone && this.#client.mayKeepAlive(head);
    const answer = { status, reason, upstream: this.#upstream, method: head.method, keepsAlive };
    const text = this.#gateway.ownAnswers.compose({ ...answer, page });
    this.#download.status = status;
    this.#end(status === 200 ? 'answered' : this.#upstream ? 'lost' : 'refused', reason);
    this.#client.answer(text, keepsAlive);
  }

  #end(result: Result, reason: string, outcome: Outcome = 'neutral'): void {
    const nowMs = this.#gateway.now();
    const upstream = this.#upstream;
    const server = this.#server;
    if (server !== undefined)
      upstream?.settle(server, outcome, nowMs, this.#attempts.tookMs, reason);
    if (upstream !== undefined && this.#tunnel === undefined) {
      countExchange(result, this.#download.status, upstream, this.#server);
      if (result !== 'refused') upstream.ended(result, nowMs, this.#startedMs, this.#isWaiting);
    }
    this.#log(result, reason, nowMs);
    this.isActive = false;
    this.#head = undefined;
    this.#upstream = undefined;
    this.#server = undefined;
    this.#attempts.reset();
    this.#upload.forget();
    this.#isSent = false;
    this.#isContinued = false;
    this.#isWaiting = false;
    this.#tunnel = undefined;
    this.#download.reset();
    this.offeredUpgrade = '';
  }

  #log(result: Result, reason: string, nowMs: number): void {
    const head = this.#head;
    if (this.#gateway.accessLog === undefined || head === undefined) return;
    this.#gateway.accessLog.write({
      client: this.#client.forwarding.client(head),
      request: head,
      status: this.#download.status,
      bytes: this.#download.bodyBytes,
      ms: nowMs - this.#startedMs,
      upstream: this.#upstream?.name ?? '',
      servers: idsOf(this.#attempts.tried, this.#server),
      result,
      reason,
    });
  }
}
