// A response on its way to the client: its head is written with the first piece of the body, and the
// body is framed anew as the client's version of HTTP asks for. One object per exchange, used again.

import type { CutBy } from '../../exchange/client-stream.ts';
import type { Connection } from '../../transport.ts';
import {
  chunkHead,
  LAST_CHUNK,
  type RequestHead,
  type ResponseHead,
  responseFraming,
  responseHeadText,
} from '../syntax.ts';

export class Download {
  /** 0: no response has begun. */
  status = 0;
  bodyBytes = 0;
  /** How the client can be shown that the rest will not come; '' as long as nothing has begun. */
  cutBy: CutBy | '' = '';
  /** The client's connection may carry another request behind this response. */
  keepsAlive = false;
  #isChunked = false;
  #headText = '';

  /** Forgets the response before. */
  reset(): void {
    this.status = 0;
    this.bodyBytes = 0;
    this.cutBy = '';
    this.keepsAlive = false;
    this.#isChunked = false;
    this.#headText = '';
  }

  begin(request: RequestHead, head: ResponseHead, mayKeepAlive: boolean): void {
    const framing = responseFraming(head.framing, request.minor);
    this.cutBy = framing === 'close' || request.minor === 0 ? 'reset' : 'end';
    this.#isChunked = framing === 'chunked';
    this.keepsAlive = mayKeepAlive && framing !== 'close';
    this.status = head.status;
    this.#headText = responseHeadText(head, {
      requestMethod: request.method,
      clientMinor: request.minor,
      framing,
      keepAlive: this.keepsAlive,
    });
  }

  /** The next piece, which may be empty; `done`: the last one. False: the client is slower. */
  send(connection: Connection, buffer: Buffer, start: number, end: number, done: boolean): boolean {
    let before = this.#headText;
    let after = '';
    this.#headText = '';
    const bodyBytes = end - start;
    this.bodyBytes += bodyBytes;
    if (this.#isChunked) {
      if (bodyBytes > 0) {
        before += chunkHead(bodyBytes);
        after = done ? `\r\n${LAST_CHUNK}` : '\r\n';
      } else if (done) after = LAST_CHUNK;
    }
    const isAny = before !== '' || bodyBytes > 0 || after !== '';
    return !isAny || connection.write(before, buffer, start, end, after);
  }
}
