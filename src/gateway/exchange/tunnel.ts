// An upgraded connection, and what its end was. A receipt has to say whether a stopped server cut
// somebody off, and a FIN alone does not tell: the kernel sends the same one for a server that is killed.
// So the frames of a WebSocket are followed by their lengths, to find the Close frame with which a side
// says goodbye. Of other protocols only the sockets are known.

const CLOSE = 0x8;

export class Tunnel {
  #endedFirst: 'client' | 'server' | 'idle' | 'gateway' | '' = '';
  #isBroken = false;
  readonly #fromClient: FrameScan | undefined;
  readonly #fromServer: FrameScan | undefined;

  constructor(protocol: string) {
    if (protocol !== 'websocket') return;
    this.#fromClient = new FrameScan();
    this.#fromServer = new FrameScan();
  }

  clientSent(buffer: Buffer, start: number, end: number): void {
    this.#fromClient?.read(buffer, start, end);
  }

  serverSent(buffer: Buffer, start: number, end: number): void {
    this.#fromServer?.read(buffer, start, end);
  }

  /** By one of the sides, for want of bytes, or by the gateway. The first counts: others follow. */
  endedBy(whom: 'client' | 'server' | 'idle' | 'gateway', isBroken = false): void {
    if (this.#endedFirst !== '') return;
    this.#endedFirst = whom;
    this.#isBroken = isBroken;
  }

  /**
   * '' or why: the server's side was gone while the client still wanted it. That is so without a Close
   * frame; where there is no such thing, after a reset, or when a server ends it that takes no new
   * requests any more.
   */
  whyCut(isServerLeaving: boolean): string {
    if (this.#endedFirst === 'gateway') return 'the gateway stopped';
    if (this.#endedFirst !== 'server') return '';
    const isCut =
      this.#fromClient === undefined
        ? this.#isBroken || isServerLeaving
        : !this.#fromClient.isClosed && this.#fromServer?.isClosed !== true;
    return isCut ? 'the server ended the tunnel without a goodbye' : '';
  }
}

/** Follows the frames of one direction. **Source:** RFC 6455 5.2. */
class FrameScan {
  isClosed = false;
  /** Bytes of the frame's payload that are still to come. */
  #payloadBytes = 0;
  /** Bytes of the frame's head that were read, and what they have said so far. */
  #headBytes = 0;
  #isClose = false;
  #maskBytes = 0;
  #lengthBytes = 0;
  #length = 0;

  read(buffer: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && !this.isClosed) {
      if (this.#payloadBytes > 0) {
        const skipped = Math.min(this.#payloadBytes, end - at);
        this.#payloadBytes -= skipped;
        at += skipped;
      } else {
        this.#readHead(buffer[at] ?? 0);
        at += 1;
      }
    }
  }

  #readHead(byte: number): void {
    const index = this.#headBytes;
    this.#headBytes += 1;
    if (index === 0) {
      this.#isClose = (byte & 0x0f) === CLOSE;
      return;
    }
    if (index === 1) {
      const length = byte & 0x7f;
      this.#maskBytes = byte & 0x80 ? 4 : 0;
      this.#lengthBytes = length === 127 ? 8 : length === 126 ? 2 : 0;
      this.#length = this.#lengthBytes === 0 ? length : 0;
    } else if (index < 2 + this.#lengthBytes) this.#length = this.#length * 256 + byte;
    if (this.#headBytes < 2 + this.#lengthBytes + this.#maskBytes) return;
    if (this.#isClose) this.isClosed = true;
    this.#payloadBytes = this.#length;
    this.#headBytes = 0;
  }
}
