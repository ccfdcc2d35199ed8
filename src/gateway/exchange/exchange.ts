// One client request and its response: picks a server, sends the request, relays the response, and
// tries another server where that is safe. It holds policy alone: how heads and bytes look on either
// side is the streams' matter. One object per request, so that nothing of a request is left for the
// next one. One attempt is one pass through #tryNext.
//
//   begin → #tryNext → #sendRequest → responseHead → responseBytes … done → #finish
//              ▲                         │
//              └──── attemptFailed ◄─────┘ (nothing relayed yet, and retry.ts allows it)

import type { Outcome, Server, Upstream } from '../../upstream.ts';
import type { RequestHead, ResponseHead } from '../message.ts';
import { answerPage, type OwnParts, type PageRoute, redirectOf } from '../routing.ts';
import { NO_BYTES } from '../transport.ts';
import { countExchange, countTunnel, countTunnelEnd, type Result } from './account.ts';
import { Attempts } from './attempts.ts';
import type { ClientStream, ClientStreamHandler } from './client-stream.ts';
import type { ExchangeContext } from './context.ts';
import type { Closable, Lasting } from './long-lived.ts';
import { RequestBody } from './request-body.ts';
import type { Failure } from './retry.ts';
import type { ServerStream, ServerStreamHandler } from './server-stream.ts';
import { tell } from './tell.ts';
import { Tunnel } from './tunnel.ts';
import { allowedUpgrade } from './upgrade.ts';

/** Of a tunnel or a stream that the gateway has ended. */
const CLOSED = 'closed, because the server leaves';

export class Exchange implements ClientStreamHandler, ServerStreamHandler, Closable {
  offeredUpgrade = '';
  readonly #gateway: ExchangeContext;
  readonly #client: ClientStream;
  readonly head: RequestHead;
  readonly attempts: Attempts;
  readonly #body: RequestBody;
  #upstream: Upstream | undefined;
  server: Server | undefined;
  #stream: ServerStream | undefined;
  #tunnel: Tunnel | undefined;
  /** Set when more of the response came than its first read; see long-lived.ts. */
  #lasting: Lasting | undefined;
  #isContinued = false;
  #isWaiting = false; // The request is whole, and no response has begun.
  #isEnded = false;

  constructor(gateway: ExchangeContext, client: ClientStream, head: RequestHead) {
    this.#gateway = gateway;
    this.#client = client;
    this.head = head;
    this.attempts = new Attempts(head, client, gateway.now());
    this.#body = new RequestBody(gateway.config.limits.relayBytesMax);
  }

  get requestMethod(): string {
    return this.head.method;
  }

  get isIdempotent(): boolean {
    return this.attempts.isIdempotent;
  }

  get isFreshOnly(): boolean {
    return this.attempts.isFreshOnly;
  }

  // ---- from the client ----------------------------------------------------------------------

  begin(buffer: Buffer, start: number, end: number, done: boolean): void {
    const { routes, upstreams, config, tracer } = this.#gateway;
    const head = this.head;
    if (tracer !== undefined) this.attempts.trace = tracer.begin(head);
    this.#body.comes(end - start, done);
    const away = redirectOf(this.#client.entrance.redirectPort, head);
    const route = away ?? routes.match(head.host, head.target);
    if ('status' in route) return this.#answer(route.status, route.reason, away);
    if ('page' in route) return void this.#showPage(route);
    const upstream = upstreams.get(route.upstream);
    this.#upstream = upstream;
    if (upstream === undefined) return this.#answer(503, `no upstream "${route.upstream}"`);
    upstream.began(this.attempts.beganMs, done);
    this.#isWaiting = done;
    if (head.upgrade !== '') this.offeredUpgrade = allowedUpgrade(head.upgrade, config.upgrade);
    if (!done) this.#body.holdBytes = config.requestBuffering[route.upstream] ?? 0;
    if (this.#body.holdBytes > 0) this.#hold(buffer, start, end);
    else this.#tryNext(upstream, buffer, start, end);
  }

  async #showPage(route: PageRoute): Promise<void> {
    const request = { head: this.head, client: this.#client, gateway: this.#gateway };
    const answer = await answerPage(route, request);
    // Where the client has left meanwhile there is nothing to answer.
    if (!this.#isEnded) this.#answer(answer.status, answer.reason, answer);
  }

  #hold(buffer: Buffer, start: number, end: number): void {
    if (this.head.expectContinue && !this.#isContinued) {
      this.#isContinued = true;
      this.#client.sendContinue();
    }
    if (this.#body.hold(buffer, start, end) || this.#upstream === undefined) return;
    this.#tryNext(this.#upstream, NO_BYTES, 0, 0);
  }

  requestBytes(buffer: Buffer, start: number, end: number, done: boolean): void {
    this.#body.comes(end - start, done);
    if (done && this.attempts.status === 0) {
      this.#isWaiting = true;
      this.#upstream?.waits(this.#gateway.now());
    }
    if (this.#body.holdBytes > 0) return this.#hold(buffer, start, end);
    const { isSent } = this.attempts;
    this.#body.keep(buffer, start, end, isSent);
    if (isSent && this.#stream !== undefined) this.#sendBody(this.#stream, buffer, start, end);
    else if (this.#body.isFull) this.#client.pauseBody();
  }

  clientDrained(): void {
    this.#stream?.resume();
  }

  clientGone(isBroken: boolean): void {
    if (this.#isEnded) return;
    this.attempts.closedBy = 'client';
    this.#leaveServer(this.#tunnel !== undefined && isBroken);
    if (this.#tunnel === undefined) this.#end('clientGone', 'client gone');
    else this.#tunnel.goneBy('client');
  }

  stopped(): void {
    if (this.#isEnded) return;
    this.attempts.closedBy = 'gateway';
    this.#leaveServer();
    if (this.#tunnel !== undefined) this.#tunnel.goneBy('gateway');
    else this.#end(this.attempts.status === 0 ? 'lost' : 'cut', 'the gateway stopped');
  }

  /** Nothing of such a request may look complete to the server. */
  bodyRefused(status: number, reason: string): void {
    this.#leaveServer();
    const hasBegun = this.attempts.status !== 0;
    this.attempts.refusedWith = status;
    this.attempts.closedBy = 'gateway';
    this.#end('clientGone', reason);
    if (hasBegun) this.#client.cut();
    else this.#client.refuse(status, reason, this.attempts.idFrom(this.#gateway.ids));
  }

  #leaveServer(isBroken = false): void {
    this.#stream?.discard(isBroken);
    this.#stream = undefined;
  }

  // ---- attempts -----------------------------------------------------------------------------

  /** False: no server to try; the client has its answer. */
  #tryNext(upstream: Upstream, buffer: Buffer, start: number, end: number): boolean {
    const nowMs = this.#gateway.now();
    const server = upstream.pick(this.attempts, nowMs);
    if (server === undefined) {
      const { failed } = this.attempts;
      if (failed === undefined) this.#answer(503, upstream.refusal(nowMs));
      else this.#answer(failed.status, failed.reason);
      return false;
    }
    this.server = server;
    this.attempts.begin(nowMs);
    const stream = this.#gateway.streams.open(server, this, nowMs);
    this.#stream = stream;
    if (stream.isReady) this.#sendRequest(stream, buffer, start, end);
    else {
      // Nobody has these bytes yet: keep them until the connection stands.
      this.#body.keep(buffer, start, end, false);
      if (this.#body.isFull) this.#client.pauseBody();
    }
    return true;
  }

  serverConnected(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    if (!stream.isReused) this.attempts.connectedMs = this.#gateway.now();
    this.#sendRequest(stream, NO_BYTES, 0, 0);
  }

  #sendRequest(stream: ServerStream, buffer: Buffer, start: number, end: number): void {
    const head = this.head;
    this.attempts.isSent = true;
    const { sentHead } = this.attempts;
    const said = sentHead.ready === '' ? this.#client.forwarding.text(head) : '';
    const lines = this.attempts.linesWith(said, this.#gateway.ids);
    stream.begin(sentHead, lines, this.offeredUpgrade);
    this.#body.sendKept(stream);
    if (this.isIdempotent) this.#body.keep(buffer, start, end, true);
    else this.#body.forget();
    if (!this.#body.isDone) this.#client.resumeBody();
    this.#sendBody(stream, buffer, start, end);
  }

  #sendBody(stream: ServerStream, buffer: Buffer, start: number, end: number): void {
    const { isDone } = this.#body;
    if (!stream.send(buffer, start, end, isDone) && !isDone) this.#client.pauseBody();
  }

  serverDrained(): void {
    if (this.#tunnel !== undefined || !this.#body.isDone) this.#client.resumeBody();
  }

  attemptFailed(failed: Failure): void {
    const { config, now, streams } = this.#gateway;
    const attempts = this.attempts;
    const [server, upstream, stream] = [this.server, this.#upstream, this.#stream];
    const nowMs = now();
    this.#stream = undefined;
    if (server === undefined || upstream === undefined || stream === undefined) return;
    const isStale = attempts.fails(failed, server, stream.isReused, nowMs);
    if (isStale) streams.distrust(server);
    this.server = undefined;
    const hasOther = upstream.hasOther(server, nowMs);
    const outcome = isStale ? 'neutral' : attempts.outcomeOf(failed, hasOther);
    upstream.settle(server, outcome, nowMs, nowMs - attempts.startedMs, failed.reason);
    const { isReplayable } = this.#body;
    const mayGoOn = attempts.mayGoOn(failed, isReplayable, config, nowMs - this.attempts.beganMs);
    if (!mayGoOn) this.#answer(failed.status, failed.reason);
    if (!mayGoOn || !this.#tryNext(upstream, NO_BYTES, 0, 0)) {
      server.counters.lost += 1;
      return;
    }
    server.counters.retried += 1;
    if (!attempts.isRetried) upstream.counters.retried += 1;
    attempts.isRetried = true;
  }

  // ---- the response -------------------------------------------------------------------------

  responseInterim(head: ResponseHead): void {
    if (!this.#client.takesInterims) return;
    if (head.status === 100) {
      if (!this.head.expectContinue || this.#isContinued) return;
      this.#isContinued = true;
    }
    // What was relayed cannot be taken back: no other attempt (rule 74).
    this.#body.forget();
    if (!this.#client.sendInterim(head)) this.#stream?.pause();
  }

  responseHead(head: ResponseHead): void {
    const upstream = this.#upstream;
    const server = this.server;
    if (upstream === undefined || server === undefined) return;
    this.#body.forget();
    this.attempts.headCame(server, this.#gateway.now());
    this.attempts.status = head.status;
    this.attempts.response = head;
    this.#client.begin(this.attempts.withCookie(head, upstream, server));
  }

  responseBytes(buffer: Buffer, start: number, end: number, done: boolean): void {
    if (this.#isWaiting && !done) this.#upstream?.responds(this.#gateway.now());
    if (!done) {
      this.#isWaiting = false;
      if (this.#lasting === undefined) this.#lasts();
      const stop = this.#lasting?.relays(buffer, start, end) ?? -1;
      if (stop !== -1) return this.#endEvents(buffer, start, stop);
    }
    this.attempts.bytes += end - start;
    // The client is slower than the server: no more is taken from it, unless it is done with us.
    if (!this.#client.send(buffer, start, end, done) && !done) this.#stream?.pause();
    if (done) this.#finish();
  }

  #lasts(response = this.attempts.response): void {
    const [upstream, server] = [this.#upstream, this.server];
    if (upstream === undefined || server === undefined || this.#isEnded) return;
    const { longLived, now } = this.#gateway;
    const { mayEndAnywhere } = this.#client;
    const of = { exchange: this, upstream, server, response, mayEndAnywhere, sinceMs: now() };
    this.#lasting = longLived.began(of);
  }

  /** The server leaves. Where no end of an event can be seen, it ends as the server ends it. */
  close(isLate: boolean): boolean {
    if (this.#tunnel !== undefined) return this.#tunnel.close(isLate);
    if (this.#lasting?.isBetweenEvents === true) this.#endEvents(NO_BYTES, 0, 0);
    return true;
  }

  /** The last bytes, up to the end of an event: the client gets a whole response. */
  #endEvents(buffer: Buffer, start: number, end: number): void {
    this.#leaveServer();
    if (this.#lasting !== undefined) this.#lasting.isClosed = true;
    this.attempts.closedBy = 'gateway';
    this.attempts.bytes += end - start;
    this.#client.send(buffer, start, end, true);
    this.#finish(CLOSED);
  }

  responseCut(reason: string, source: Failure['source']): void {
    const server = this.server;
    this.#stream = undefined;
    this.attempts.closedBy = source;
    if (server === undefined) return;
    const hasOther = this.#upstream?.hasOther(server, this.#gateway.now()) === true;
    this.#end('cut', reason, this.attempts.outcomeOf({ source, retry: 'no' }, hasOther));
    this.#client.cut();
  }

  #finish(reason = ''): void {
    this.#stream = undefined;
    this.#end('answered', reason, 'success');
    this.#client.done();
  }

  // ---- tunnels ------------------------------------------------------------------------------

  /** The request is answered; what follows is counted as a tunnel, and the server stays busy. */
  tunnelOpened(head: ResponseHead): void {
    const [server, upstream] = [this.server, this.#upstream];
    if (server === undefined || upstream === undefined) return;
    const over = (): void => this.#tunnelOver();
    this.#tunnel = new Tunnel(head.upgrade, { client: this.#client, server: this.#stream, over });
    this.attempts.status = 101;
    const nowMs = this.#gateway.now();
    countTunnel(upstream, server);
    this.attempts.headCame(server, nowMs);
    upstream.ended('answered', nowMs, this.attempts.beganMs, this.#isWaiting);
    this.#client.openTunnel(this.attempts.withCookie(head, upstream, server));
    this.#lasts();
  }

  get isServerBehind(): boolean {
    return this.#stream?.isBehind === true;
  }

  tunnelFromClient(buffer: Buffer, start: number, end: number): void {
    this.#tunnel?.clientSent(buffer, start, end);
  }

  tunnelEndedByClient(): void {
    this.#tunnel?.clientEnded();
  }

  tunnelBytes(buffer: Buffer, start: number, end: number): void {
    this.#tunnel?.serverSent(buffer, start, end);
  }

  tunnelEnded(): void {
    this.#tunnel?.serverEnded();
  }

  tunnelClosed(how: 'ended' | 'broken' | 'idle'): void {
    this.#tunnel?.serverGone(how);
  }

  #tunnelOver(): void {
    const [tunnel, server, upstream] = [this.#tunnel, this.server, this.#upstream];
    this.#stream = undefined;
    if (tunnel === undefined || server === undefined || upstream === undefined) return;
    this.attempts.bytes = tunnel.bytes;
    const reason = countTunnelEnd(tunnel, upstream, server);
    this.#end(reason === '' ? 'answered' : 'cut', tunnel.isClosed ? CLOSED : reason);
  }

  // ---- the end ------------------------------------------------------------------------------

  /** The gateway's own answer: no server could be asked, or none gave an answer. */
  #answer(status: number, reason: string, more: OwnParts = {}): void {
    const upstream = this.#upstream;
    const { ids, ownAnswers } = this.#gateway;
    const id = this.attempts.idFrom(ids);
    const response = ownAnswers.compose({ ...more, status, reason, upstream, id });
    Object.assign(this.attempts, { status, own: response });
    this.#end(status < 400 ? 'answered' : upstream ? 'lost' : 'refused', reason);
    this.#client.answer(response);
  }

  /** Once: accounts for the request, and gives back what it held. */
  #end(result: Result, reason: string, outcome: Outcome = 'neutral'): void {
    this.#isEnded = true;
    if (this.#lasting !== undefined) this.#gateway.longLived.ended(this.#lasting, result);
    const { accessLog, recorder, now } = this.#gateway;
    const nowMs = now();
    const upstream = this.#upstream;
    const { server, attempts } = this;
    const whyFailed = result === 'answered' ? '' : reason;
    const kind = attempts.storyKind(recorder, result, upstream, nowMs);
    // Before it is settled, which changes what the server is.
    const last = kind && server ? attempts.told(server, nowMs, whyFailed) : undefined;
    if (server !== undefined) upstream?.settle(server, outcome, nowMs, attempts.tookMs, reason);
    if (upstream !== undefined && this.#tunnel === undefined) {
      countExchange(result, attempts.status, upstream, server);
      if (result !== 'refused') upstream.ended(result, nowMs, attempts.beganMs, this.#isWaiting);
    }
    if (accessLog !== undefined || kind !== '' || attempts.trace?.isSampled === true) {
      const [client, head, body, gateway] = [this.#client, this.head, this.#body, this.#gateway];
      const of = { gateway, client, head, body, attempts, upstream, server };
      tell(of, { kind, last, result, reason, nowMs });
    }
    this.#body.forget();
  }
}
