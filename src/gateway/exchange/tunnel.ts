// An upgraded connection: what its end was, and how the gateway ends it when the server leaves. A receipt
// has to say whether a stopped server cut somebody off, and a FIN alone does not tell: the kernel sends the
// same one for a server that is killed. So the frames of a WebSocket are followed by their lengths, from the
// upgrade on, to find the Close frame with which a side says goodbye, and the places between two frames, where
// one of ours may stand. Of other protocols only the sockets are known.
//
// To close it, the server is told first. It answers with its Close (or a FIN) behind all that it has sent, and
// where that comes, the client gets its own Close, 1001. So whatever the server has sent before it heard of the
// end reaches the client. What a client sends to a server that has been told is dropped: no server reads
// it. A server that is silent for `CLOSE_WAIT_MS` (long-lived.ts) is not waited for.
//
//   open → asking (a frame of the client is under way) → asked → over
//                                                         └─ late: not answered; the next place between
//                                                            two frames of the server is the end

import type { ClientStream } from './client-stream.ts';
import type { ServerStream } from './server-stream.ts';
import { FrameScan, GOING_AWAY, maskedGoingAway } from './tunnel/frames.ts';

/** Where bytes go on moving, it is waited for so often. */
const WAITS_MAX = 4;

/** Both sides, and whom to tell when it is over. */
export type TunnelEnds = {
  readonly client: Pick<ClientStream, 'send' | 'pauseBody' | 'endTunnel' | 'closeTunnel' | 'cut'>;
  readonly server: Pick<ServerStream, 'send' | 'pause' | 'endTunnel' | 'discard'> | undefined;
  readonly over: () => void;
};

/** client, server: that side ended it; idle: for want of bytes; policy: the server leaves. */
type EndedBy = 'client' | 'server' | 'idle' | 'gateway' | 'policy';

export class Tunnel {
  #endedFirst: EndedBy | '' = '';
  #isBroken = false;
  #state: 'open' | 'asking' | 'asked' | 'late' | 'over' = 'open';
  /** From the server to the client. */
  bytes = 0;
  /** Something has moved since the last look, and how often that was so after it was asked. */
  #hasMoved = false;
  #waits = 0;
  readonly #client: TunnelEnds['client'];
  readonly #over: () => void;
  #server: TunnelEnds['server'];
  readonly #fromClient: FrameScan | undefined;
  readonly #fromServer: FrameScan | undefined;

  constructor(protocol: string, { client, server, over }: TunnelEnds) {
    this.#client = client;
    this.#server = server;
    this.#over = over;
    if (protocol !== 'websocket') return;
    this.#fromClient = new FrameScan();
    this.#fromServer = new FrameScan();
  }

  clientSent(buffer: Buffer, start: number, end: number): void {
    if (this.#state === 'open') {
      this.#fromClient?.read(buffer, start, end);
      return this.#toServer(buffer, start, end);
    }
    const frames = this.#fromClient;
    if (this.#state !== 'asking' || frames === undefined) return;
    const stop = frames.readFrame(buffer, start, end);
    this.#toServer(buffer, start, stop);
    if (!frames.isBetween && !frames.isClosed) return;
    this.#ask();
    // It has its time to answer from now on.
    this.#hasMoved = true;
  }

  serverSent(buffer: Buffer, start: number, end: number): void {
    const frames = this.#fromServer;
    if (this.#state === 'open' || frames === undefined) {
      frames?.read(buffer, start, end);
      return this.#toClient(buffer, start, end);
    }
    if (this.#state === 'over') return;
    const isLate = this.#state === 'late';
    const stop = isLate
      ? frames.readFrame(buffer, start, end)
      : frames.readToClose(buffer, start, end);
    if (stop > start) this.#toClient(buffer, start, stop);
    if (stop < end || frames.isClosed || (isLate && frames.isBetween)) this.#goodbye();
  }

  /** The server leaves: end it in good order. `isLate`: it was asked, and does not answer. */
  close(isLate: boolean): boolean {
    if (isLate) return this.#closeLate();
    if (this.#state !== 'open' || this.#endedFirst !== '') return true;
    // One side has said goodbye already: the rest is on its way.
    if (this.#fromServer?.isClosed === true) return true;
    this.#hasMoved = false;
    if (this.#fromClient?.isBetween === false && !this.#fromClient.isClosed) this.#state = 'asking';
    else this.#ask();
    return true;
  }

  #closeLate(): boolean {
    if (this.#state === 'over' || this.#state === 'late') return true;
    if (this.isAsked && this.#hasMoved && this.#waits < WAITS_MAX) {
      this.#waits += 1;
      this.#hasMoved = false;
      return false;
    }
    this.#state = 'late';
    const frames = this.#fromServer;
    if (frames === undefined || frames.isBetween || frames.isClosed) this.#goodbye();
    return true;
  }

  #ask(): void {
    this.#state = 'asked';
    const frames = this.#fromClient;
    if (frames === undefined) this.#server?.endTunnel();
    else if (!frames.isClosed) {
      const close = maskedGoingAway(crypto.getRandomValues(new Uint8Array(4)));
      this.#toServer(close, 0, close.length);
    }
    this.#hasMoved = false;
  }

  /** The server was told, or is about to be. */
  get isAsked(): boolean {
    return this.#state !== 'open' && this.#state !== 'over';
  }

  /** The server has sent all, as far as we wait for it. */
  #goodbye(): void {
    this.#state = 'over';
    const frames = this.#fromServer;
    // Never in the middle of a frame: the client sees then that it is cut.
    if (frames?.isBetween === true && !frames.isClosed) {
      this.#toClient(GOING_AWAY, 0, GOING_AWAY.length);
    }
    this.#server?.endTunnel();
    this.#server?.discard();
    this.goneBy('policy');
    this.#client.closeTunnel();
  }

  #toServer(buffer: Buffer, start: number, end: number): void {
    this.#hasMoved = true;
    if (this.#server?.send(buffer, start, end, false) === false) this.#client.pauseBody();
  }

  #toClient(buffer: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    this.#hasMoved = true;
    if (!this.#client.send(buffer, start, end, false)) this.#server?.pause();
  }

  clientEnded(): void {
    this.#endedBy('client');
    this.#server?.endTunnel();
  }

  serverEnded(): void {
    if (this.isAsked) return this.#goodbye();
    this.#endedBy('server');
    this.#client.endTunnel();
  }

  /** Its connection is gone. */
  serverGone(how: 'ended' | 'broken' | 'idle'): void {
    this.#server = undefined;
    if (how !== 'idle' && this.isAsked) return this.#goodbye();
    this.goneBy(how === 'idle' ? 'idle' : 'server', how === 'broken');
    if (how === 'broken') this.#client.cut();
    else this.#client.closeTunnel();
  }

  /** Nothing can be said in it any more. */
  goneBy(whom: EndedBy, isBroken = false): void {
    this.#state = 'over';
    this.#server = undefined;
    this.#endedBy(whom, isBroken);
    this.#over();
  }

  /** The first counts: others follow. */
  #endedBy(whom: EndedBy, isBroken = false): void {
    if (this.#endedFirst !== '') return;
    this.#endedFirst = whom;
    this.#isBroken = isBroken;
  }

  /** The gateway has ended it, because the server leaves. */
  get isClosed(): boolean {
    return this.#endedFirst === 'policy';
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
