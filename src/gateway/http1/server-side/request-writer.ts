// A request on its way to a server over HTTP/1: its head is written with the first piece of the body,
// and the body is framed anew. One object per connection, begun anew for each request.

import type { RequestHead } from '../../message.ts';
import type { Connection } from '../../transport.ts';
import { chunkHead, LAST_CHUNK, requestHeadText } from '../syntax.ts';

export class RequestWriter {
  /** The whole request was handed to the connection. */
  isDone = false;
  #isChunked = false;
  #headText = '';

  /** No request: nothing may come from the server. */
  reset(): void {
    this.isDone = false;
    this.#isChunked = false;
    this.#headText = '';
  }

  begin(head: RequestHead, extra: string, protocol: string): void {
    this.isDone = false;
    this.#isChunked = head.framing === 'chunked';
    this.#headText = requestHeadText(head, extra, head.framing, protocol);
  }

  /** False: the server is slower. */
  send(connection: Connection, buffer: Buffer, start: number, end: number, done: boolean): boolean {
    let before = this.#headText;
    let after = '';
    this.#headText = '';
    if (done) this.isDone = true;
    if (this.#isChunked) {
      if (end > start) before += chunkHead(end - start);
      if (end > start) after = '\r\n';
      if (done) after += LAST_CHUNK;
    }
    const isAny = before !== '' || end > start || after !== '';
    return !isAny || connection.write(before, buffer, start, end, after);
  }
}
