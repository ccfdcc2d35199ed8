// What every HTTP/1 connection of one gateway works with, to clients and to servers.

import type { Log } from '../../base/log.ts';
import type { GatewayConfig } from '../../config.ts';
import type { ExchangeContext } from '../exchange.ts';
import { AddressSet, Forwardings, withoutCertificates } from '../forwarding.ts';
import type { Entrance } from '../listener.ts';
import type { RareLine } from '../rare-line.ts';
import type { SecuredUpstreams } from '../secured-upstreams.ts';
import type { Connection, Transport } from '../transport.ts';
import type { Wheel } from '../wheel.ts';
import type { RequestLimits, RequestReaders } from './client-side/request-reader.ts';
import type { ConnectionPool } from './server-side/connection-pool.ts';
import { type BodyLimits, type Http1Request, RESPONSE_FIELDS_MAX } from './syntax.ts';

/** What comes from the configuration: swapped whole when there is another one. */
export type Http1Settings = {
  config: GatewayConfig;
  requestLimits: RequestLimits;
  responseBodyLimits: BodyLimits;
  forwardings: Forwardings;
  /** What clients say of certificates is taken out, where it would be believed. */
  withoutCertificates: (head: Http1Request) => Http1Request;
};

export type Http1Context = Http1Settings & {
  readonly log: Log;
  readonly transport: Transport;
  readonly wheel: Wheel;
  readonly pool: ConnectionPool;
  readonly secured: SecuredUpstreams;
  readonly readers: RequestReaders;
  /** Requests that got a 503 because there was no descriptor for a server connection. */
  readonly noSocket: RareLine;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Shutting down: no response promises another request. */
  isClosing: boolean;
};

/** Of one gateway: what its client connections stand on, and what their exchanges do. */
export type ClientSide = { readonly http1: Http1Context; readonly exchange: ExchangeContext };

/** A client's connection, and where it came in. */
export type Accepted = { readonly connection: Connection; readonly entrance: Entrance };

/**
 * How long a shutdown leaves idle client connections open, so that a request that is just being sent on
 * one is answered (with `Connection: close`) instead of reset.
 */
export const IDLE_GRACE_MS = 300;

export function http1Settings(config: GatewayConfig): Http1Settings {
  const { limits, underscoresInHeaders, allowTrace, listen } = config;
  const passes = listen.some(({ tls }) => tls?.passesClientCertificate === true);
  const { uriBytesMax, headBytesMax, fieldsMax, chunkExtensionBytesMax, trailerBytesMax } = limits;
  return {
    config,
    requestLimits: {
      head: {
        ...{ uriBytesMax, headBytesMax, fieldsMax, underscoresInHeaders, allowTrace },
        takesRequestId: config.requestId !== 'own',
      },
      body: limits,
    },
    responseBodyLimits: {
      ...{ chunkExtensionBytesMax, trailerBytesMax },
      ...{ bodyBytesMax: 0, fieldsMax: RESPONSE_FIELDS_MAX },
    },
    withoutCertificates: passes ? withoutCertificates : (head) => head,
    forwardings: new Forwardings(new AddressSet(config.trustedProxies), config.via),
  };
}
