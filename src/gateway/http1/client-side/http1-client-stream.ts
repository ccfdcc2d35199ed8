// The client's side of one exchange over HTTP/1: the response's head is written with the first piece of
// the body, and the body is framed anew as the client's version asks for. One object per request.

import type { LogKeeper } from '../../access-log.ts';
import type { ClientStream } from '../../exchange.ts';
import type { Forwarding } from '../../forwarding.ts';
import type { Entrance } from '../../listener.ts';
import { type OwnResponse, type ResponseHead, withFields } from '../../message.ts';
import {
  chunkHead,
  type Http1Request,
  interimHeadText,
  isReady,
  LAST_CHUNK,
  ownResponseText,
  readyWith,
  responseFraming,
  responseHeadText,
} from '../syntax.ts';

/**
 * end: the response's own framing shows what is missing, so that a FIN is enough and what was written
 * before it, earlier responses too, still arrives. reset: nothing else would show it (rule 64).
 */
export type CutBy = 'end' | 'reset';

/** What a stream wants of the connection that carries it. */
export interface StreamCarrier extends LogKeeper {
  readonly forwarding: Forwarding;
  readonly entrance: Entrance;
  readonly connection: ClientStream['connection'];
  /** The request is whole, and another one may follow this one. */
  mayKeepAlive(request: Http1Request): boolean;
  /** As of a Connection. False: the exchange hears clientDrained. */
  write(before: string, buffer: Buffer, start: number, end: number, after: string): boolean;
  writeText(text: string): boolean;
  pauseBody(): void;
  resumeBody(): void;
  /** The response is on its way in full. */
  responseSent(keepsAlive: boolean): void;
  refuse(status: number, reason: string, id: string): void;
  cut(by: CutBy): void;
  openTunnel(headText: string): void;
  endTunnel(): void;
  closeTunnel(): void;
}

const CONTINUE_TEXT = 'HTTP/1.1 100 Continue\r\n\r\n';

export class Http1ClientStream implements ClientStream {
  bytesSent = 0;
  readonly #carrier: StreamCarrier;
  readonly #request: Http1Request;
  /** '' as long as no response has begun. */
  #cutBy: CutBy | '' = '';
  #keepsAlive = false;
  #isChunked = false;
  #headText = '';
  /** The whole response, where it came in one piece and leaves as it came: as text it need not be made again. */
  #whole = '';
  #isAsked = false;

  constructor(carrier: StreamCarrier, request: Http1Request) {
    this.#carrier = carrier;
    this.#request = request;
  }

  get forwarding(): Forwarding {
    return this.#carrier.forwarding;
  }

  get keeper(): LogKeeper {
    return this.#carrier;
  }

  get connection(): ClientStream['connection'] {
    return this.#carrier.connection;
  }

  get entrance(): Entrance {
    return this.#carrier.entrance;
  }

  get takesInterims(): boolean {
    return this.#request.minor === 1;
  }

  get mayEndAnywhere(): boolean {
    return this.#isChunked;
  }

  get isUnanswered(): boolean {
    return this.#cutBy === '';
  }

  /**
   * Asks whether the client is still there: what is written to one that has left brings a reset, and
   * the next write hears of it. True: ask once more.
   */
  ask(): boolean {
    if (!this.isUnanswered) return false;
    const isFirst = this.takesInterims && !this.#isAsked;
    this.#isAsked = true;
    this.#carrier.writeText(isFirst ? CONTINUE_TEXT : '');
    return isFirst;
  }

  pauseBody(): void {
    this.#carrier.pauseBody();
  }

  resumeBody(): void {
    this.#carrier.resumeBody();
  }

  sendContinue(): void {
    this.#carrier.writeText(CONTINUE_TEXT);
  }

  sendInterim(head: ResponseHead): boolean {
    const text = interimHeadText(head);
    this.bytesSent += text.length;
    return this.#carrier.writeText(text);
  }

  begin(head: ResponseHead): void {
    const request = this.#request;
    const framing = responseFraming(head.framing, request.minor);
    this.#cutBy = framing === 'close' || request.minor === 0 ? 'reset' : 'end';
    this.#isChunked = framing === 'chunked';
    this.#keepsAlive = framing !== 'close' && this.#carrier.mayKeepAlive(request);
    const { method: requestMethod, minor: clientMinor } = request;
    const options = { requestMethod, clientMinor, framing, keepAlive: this.#keepsAlive };
    const { answerFields: lines } = this.#carrier.entrance;
    if (isReady(head, options)) {
      this.#whole = lines === '' ? head.ready : readyWith(head, lines);
      this.#headText = this.#whole.slice(0, head.readyHead + lines.length);
    } else {
      const said = lines === '' ? head : withFields(head, head.fields + lines);
      this.#headText = responseHeadText(said, options);
    }
  }

  send(buffer: Buffer, start: number, end: number, done: boolean): boolean {
    let before = this.#headText;
    let after = '';
    this.#headText = '';
    const bodyBytes = end - start;
    if (done && before !== '' && before.length + bodyBytes === this.#whole.length) {
      this.bytesSent += this.#whole.length;
      return this.#carrier.writeText(this.#whole);
    }
    if (this.#isChunked) {
      if (bodyBytes > 0) {
        before += chunkHead(bodyBytes);
        after = done ? `\r\n${LAST_CHUNK}` : '\r\n';
      } else if (done) after = LAST_CHUNK;
    }
    this.bytesSent += before.length + bodyBytes + after.length;
    const isAny = before !== '' || bodyBytes > 0 || after !== '';
    return !isAny || this.#carrier.write(before, buffer, start, end, after);
  }

  done(): void {
    this.#carrier.responseSent(this.#keepsAlive);
  }

  answer(response: OwnResponse): void {
    const keepAlive = this.#carrier.mayKeepAlive(this.#request);
    this.#carrier.writeText(this.#textOf(response, keepAlive));
    this.#carrier.responseSent(keepAlive);
  }

  bytesOf(response: OwnResponse): number {
    return Buffer.byteLength(this.#textOf(response, this.#carrier.mayKeepAlive(this.#request)));
  }

  #textOf({ status, fields, body }: OwnResponse, keepAlive: boolean): string {
    const requestMethod = this.#request.method;
    const lines = fields + this.#carrier.entrance.answerFields;
    return ownResponseText({ status, fields: lines, body, keepAlive, requestMethod });
  }

  refuse(status: number, reason: string, id: string): void {
    this.#carrier.refuse(status, reason, id);
  }

  cut(): void {
    this.#carrier.cut(this.#cutBy === 'end' ? 'end' : 'reset');
  }

  openTunnel(head: ResponseHead): void {
    this.#cutBy = 'reset';
    this.#carrier.openTunnel(interimHeadText(head));
  }

  endTunnel(): void {
    this.#carrier.endTunnel();
  }

  closeTunnel(): void {
    this.#carrier.closeTunnel();
  }
}
