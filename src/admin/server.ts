// The control API's listener: node:http around the Hono app of app.ts. What Node itself refuses
// (a malformed request) is answered here, as JSON too.

import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import { getRequestListener } from '@hono/node-server';
import { boundConnections, closeListener } from '../base/bounded-server.ts';
import { messageOf, SluiceError, systemCode } from '../base/errors.ts';
import { type ListeningSocket, listeningSocket, socketFor } from '../base/listening.ts';
import type { Log } from '../base/log.ts';
import { type Address, formatAddress } from '../base/units.ts';
import type { NamedToken } from '../model.ts';
import type { AuditLog } from './audit.ts';
import {
  type CertificateWatch,
  readCredentials,
  type TlsFiles,
  watchCredentials,
} from './certificates.ts';
import type { FactsDocument } from './contract.ts';
import type { Configuration, Control, Desk, Live, Readiness } from './control.ts';
import { Access } from './routes/access.ts';
import { createApp } from './routes/app.ts';

/** Most connections at once. */
const CONNECTIONS_MAX = 10_000;
/** A request head must be complete within this time, ms; a whole request within twice that. */
const HEADERS_TIMEOUT_MS = 10_000;
/** Answers still under way get this long when the API closes, ms. */
const CLOSE_TIMEOUT_MS = 500;

export type AdminServer = {
  readonly address: Address;
  /** For the next process. */
  readonly listening: ListeningSocket | undefined;
  /** From now on these count: those who have another are strangers at once. */
  useTokens(tokens: AdminTokens): void;
  /** Who is connected is answered as before; nobody new comes in. */
  stopAccepting(): void;
  close(): Promise<void>;
};

export type AdminTokens = {
  /** May do everything; '' = there is none. */
  readonly token: string;
  /** With none at all nobody is asked for one. */
  readonly tokens?: readonly NamedToken[];
};

export type AdminOptions = AdminTokens & {
  readonly control: Control;
  readonly live: Live;
  readonly desk: Desk;
  readonly configuration: Configuration;
  readonly readiness: () => Readiness;
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Of the process before: used in place of binding, where it is for this address. */
  readonly inherited?: ListeningSocket | undefined;
  /** Where the key of the browsers' sessions is kept; '' or left out: they end with the process. */
  readonly sessionKeyFile?: string;
  /** Null: HTTP. */
  readonly tls?: TlsFiles | null;
  readonly audit: AuditLog;
  /** What is known of a server at this moment, for the audit log. */
  readonly facts: (upstream: string, server: string) => FactsDocument | undefined;
  readonly log: Log;
};

/** The name in the audit log of the one that the configuration gives none. */
const TOKEN_NAME = 'admin.token';

/** @throws address_in_use, address_unavailable, config_invalid */
export async function serveAdmin(options: AdminOptions): Promise<AdminServer> {
  const { host, sessionKeyFile = '', tls = null, log } = options;
  const tokens = namedTokens(options);
  const access = new Access({ host, tokens, isTls: tls !== null, sessionKeyFile, log });
  const app = createApp({ ...options, access });
  const listener = getRequestListener(app.fetch, {
    // For HTTP/1.0 requests without Host; the app still sees that there was none.
    hostname: 'localhost',
    overrideGlobalObjects: false,
    errorHandler: (error) => {
      log.debug({ error: messageOf(error) }, 'control request refused');
      const body = { error: { code: 'usage', message: messageOf(error), details: {} } };
      return Response.json(body, { status: 400 });
    },
  });
  let stopped: Promise<void> | undefined;
  const onRequest: RequestListener = (request, response) => {
    // Its next request is for the next process.
    if (stopped !== undefined) response.shouldKeepAlive = false;
    void listener(request, response);
  };
  const { server, watch } = tls === null ? plain(onRequest) : secure(onRequest, tls, log);
  boundConnections(server, {
    most: CONNECTIONS_MAX,
    log,
    text: 'control connections dropped: too many; raise the limit of open files (ulimit -n)',
  });
  let address: Address;
  try {
    address = await listen(server, options);
  } catch (error) {
    watch?.close();
    throw error;
  }
  const stopAccepting = (): Promise<void> => {
    stopped ??= closeListener(server);
    return stopped;
  };
  return {
    address,
    listening: listeningSocket(server, address),
    useTokens: (next) => access.useTokens(namedTokens(next)),
    stopAccepting,
    async close() {
      const closed = stopAccepting();
      watch?.close();
      access.close();
      await close(server, closed);
    },
  };
}

function namedTokens({ token, tokens = [] }: AdminTokens): readonly NamedToken[] {
  if (token === '') return tokens;
  return [{ name: TOKEN_NAME, role: 'release', secret: token }, ...tokens];
}

type Opened = { readonly server: Server; readonly watch?: CertificateWatch };

const TIMEOUTS = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 2 * HEADERS_TIMEOUT_MS };

function plain(onRequest: RequestListener): Opened {
  return { server: createHttpServer(TIMEOUTS, onRequest) };
}

function secure(onRequest: RequestListener, tls: TlsFiles, log: Log): Opened {
  const credentials = readCredentials(tls);
  const rules = { minVersion: 'TLSv1.2', handshakeTimeout: HEADERS_TIMEOUT_MS } as const;
  const clients = tls.clientCa === '' ? {} : { requestCert: true, rejectUnauthorized: true };
  const server: HttpsServer = createHttpsServer(
    { ...TIMEOUTS, ...credentials, ...rules, ...clients },
    onRequest,
  );
  const watch = watchCredentials(tls, credentials, {
    log,
    // For new connections.
    onChange: (next) => server.setSecureContext({ ...next, minVersion: rules.minVersion }),
  });
  return { server, watch };
}

function listen(server: Server, options: AdminOptions): Promise<Address> {
  const { host, port } = options;
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(listenError({ host, port }, cause)));
    const handle = socketFor({ host, port }, options.inherited);
    server.listen(handle ?? { host, port }, () => {
      server.removeAllListeners('error');
      server.on('error', (error) => options.log.warn({ error: error.message }, 'control API'));
      const bound = server.address();
      resolve({ host, port: bound !== null && typeof bound === 'object' ? bound.port : port });
    });
  });
}

async function close(server: Server, closed: Promise<void>): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MS);
  server.closeIdleConnections();
  await closed;
  clearTimeout(timer);
}

function listenError(address: Address, cause: Error): SluiceError {
  const text = formatAddress(address);
  if (systemCode(cause) === 'EADDRINUSE') {
    return new SluiceError(
      'address_in_use',
      `admin.listen ${text}: the address is in use; stop the process that holds it or change "admin.listen"`,
      { cause },
    );
  }
  return new SluiceError(
    'address_unavailable',
    `admin.listen ${text}: ${cause.message}; change "admin.listen"`,
    { cause },
  );
}
