// What node:tls stands on, as handles.ts has it for TCP: a stream of OpenSSL on the handle of a socket. Not documented
// either, so it is looked at before it is used; where something is missing, TLS goes the documented way.

import type { SecureContext } from 'node:tls';
import type { ShutdownRequest, TcpHandle, WriteRequest } from '../handles.ts';
import type { TlsSource } from './tls-facts.ts';

/** On a TCP handle, whose reading it takes over. One write at a time: another before `oncomplete` ends the process. */
export type TlsHandle = TlsSource & {
  connection?: object;
  onread: () => void;
  onerror: (error: unknown) => void;
  onhandshakedone: () => void;
  /** With enableCertCb: to be answered with certCbDone, now or later. */
  oncertcb: (info: unknown) => void;
  /** The certificate of this connection, where it is not that of the first context. */
  sni_context?: object;
  useUserBuffer(buffer: Buffer): void;
  readStart(): number;
  readStop(): number;
  writeBuffer(request: WriteRequest, buffer: Uint8Array): number;
  shutdown(request: ShutdownRequest): number;
  /** What was read of the socket before. */
  receive(bytes: Uint8Array): void;
  setVerifyMode(asks: boolean, requires: boolean): void;
  enableCertCb(): void;
  certCbDone(): void;
  setALPNProtocols(protocols: Uint8Array): void;
  getALPNNegotiatedProtocol(): unknown;
  getServername(): unknown;
  /** Undefined or null: nothing is wrong. */
  verifyError(): unknown;
  destroySSL(): void;
};

const METHODS = [
  ...['useUserBuffer', 'readStart', 'readStop', 'writeBuffer', 'shutdown'],
  ...['receive', 'setVerifyMode', 'enableCertCb', 'certCbDone', 'setALPNProtocols', 'destroySSL'],
  ...['getALPNNegotiatedProtocol', 'getServername', 'getProtocol', 'getCipher', 'verifyError'],
  ...['isSessionReused', 'getPeerCertificate'],
];

/** A server's end. Undefined: this one cannot be wrapped, and is as it was. */
export type WrapTls = (tcp: TcpHandle, context: SecureContext) => TlsHandle | undefined;

/** Undefined: this Node has it not, or another. */
export function openTlsWrap(): WrapTls | undefined {
  try {
    const open: unknown = Reflect.get(process, 'binding');
    if (typeof open !== 'function') return undefined;
    const found: unknown = open.call(process, 'tls_wrap');
    const wrap = partOf(found, 'wrap');
    const prototype = partOf(partOf(found, 'TLSWrap'), 'prototype');
    if (typeof wrap !== 'function' || typeof prototype !== 'object' || prototype === null) {
      return undefined;
    }
    if (!METHODS.every((method) => method in prototype)) return undefined;
    return (tcp, { context }) => {
      const made: unknown = wrap(tcp, context, true, false);
      // It is of the class that was looked at above.
      return typeof made === 'object' && made !== null ? (made as TlsHandle) : undefined;
    };
  } catch {
    return undefined;
  }
}

function partOf(value: unknown, key: string): unknown {
  const isAny = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return isAny ? Reflect.get(value, key) : undefined;
}
