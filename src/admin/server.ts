// The control API's listener: node:http around the Hono app of app.ts. What Node itself refuses
// (a malformed request) is answered here, as JSON too.

import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { boundConnections } from '../base/bounded-server.ts';
import { messageOf, SluiceError, systemCode } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Address, formatAddress } from '../base/units.ts';
import type { Control, Readiness } from './control.ts';
import { createApp } from './routes/app.ts';

/** Most connections at once. */
const CONNECTIONS_MAX = 10_000;
/** A request head must be complete within this time, ms; a whole request within twice that. */
const HEADERS_TIMEOUT_MS = 10_000;
/** Answers still under way get this long when the API closes, ms. */
const CLOSE_TIMEOUT_MS = 500;

export type AdminServer = { readonly address: Address; close(): Promise<void> };

export type AdminOptions = {
  readonly control: Control;
  readonly readiness: () => Readiness;
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** '' = no token asked for. */
  readonly token: string;
  readonly log: Log;
};

/** @throws address_in_use, address_unavailable */
export async function serveAdmin(options: AdminOptions): Promise<AdminServer> {
  const app = createApp(options);
  const listener = getRequestListener(app.fetch, {
    // For HTTP/1.0 requests without Host; the app still sees that there was none.
    hostname: 'localhost',
    overrideGlobalObjects: false,
    errorHandler: (error) => {
      options.log.debug({ error: messageOf(error) }, 'control request refused');
      const body = { error: { code: 'usage', message: messageOf(error), details: {} } };
      return Response.json(body, { status: 400 });
    },
  });
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 2 * HEADERS_TIMEOUT_MS },
    (request, response) => void listener(request, response),
  );
  boundConnections(server, {
    most: CONNECTIONS_MAX,
    log: options.log,
    text: 'control connections dropped: too many; raise the limit of open files (ulimit -n)',
  });
  const address = await listen(server, options);
  return { address, close: () => close(server) };
}

function listen(server: Server, options: AdminOptions): Promise<Address> {
  const { host, port } = options;
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(listenError({ host, port }, cause)));
    server.listen({ host, port }, () => {
      server.removeAllListeners('error');
      server.on('error', (error) => options.log.warn({ error: error.message }, 'control API'));
      const bound = server.address();
      resolve({ host, port: bound !== null && typeof bound === 'object' ? bound.port : port });
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
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
