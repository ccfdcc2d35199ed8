// What handles call, and whose events these are: functions that all connections share, with the handle as `this`.

import { beginEvent, endEvent } from '../event-clock.ts';
import type { Handles, WriteRequest } from '../handles.ts';
import type { TlsHandle } from './tls-handles.ts';

/** A connection, as its handles know it. */
export abstract class TlsOwner {
  /** Bytes in the shared buffer, or the code of an error. */
  abstract read(bytes: number): void;
  abstract written(status: number): void;
  abstract handshakeDone(): void;
  abstract failedBy(error: unknown): void;
  /** A certificate is to be chosen. */
  abstract choose(tls: TlsHandle, info: unknown): void;
}

type Owned = { connection?: object | undefined };

export function tlsEvents({ state, readBytes, newWrite }: Handles) {
  function onWritten(this: WriteRequest, status: number): void {
    const { connection } = this;
    this.keep = undefined;
    if (connection instanceof TlsOwner) connection.written(status);
  }

  return {
    /** Of a read of both, the socket and TLS. */
    onRead(this: Owned): void {
      const { connection } = this;
      if (!(connection instanceof TlsOwner)) return;
      beginEvent();
      try {
        connection.read(state[readBytes] ?? 0);
      } finally {
        endEvent();
      }
    },

    ofTls: {
      onhandshakedone(this: Owned): void {
        if (this.connection instanceof TlsOwner) this.connection.handshakeDone();
      },
      onerror(this: Owned, error: unknown): void {
        if (this.connection instanceof TlsOwner) this.connection.failedBy(error);
      },
      oncertcb(this: TlsHandle, info: unknown): void {
        if (this.connection instanceof TlsOwner) this.connection.choose(this, info);
      },
    },

    newWrite(): WriteRequest {
      return Object.assign(newWrite(), {
        ...{ oncomplete: onWritten, connection: undefined, bytes: 0, keep: undefined },
      });
    },
  };
}
