// Consul's HTTP API on bare node:http, because its clients depend on the exact case of header names,
// on the reason phrase, on raw bodies and on HTTP/1.0: no framework may touch them. This file is the
// server and its limits; the endpoints are in families.ts.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { boundConnections, closeListener } from '../../base/bounded-server.ts';
import {
  httpStatus,
  isSluiceError,
  messageOf,
  SluiceError,
  systemCode,
} from '../../base/errors.ts';
import { type ListeningSocket, listeningSocket, socketFor } from '../../base/listening.ts';
import type { Log } from '../../base/log.ts';
import { type Address, formatAddress } from '../../base/units.ts';
import type { Store } from '../embedded.ts';
import { type AclSettings, Identities } from './acl.ts';
import type { Definitions } from './agent.ts';
import { madeNodeId } from './agent-document.ts';
import { checkStatus } from './catalog.ts';
import { type Endpoints, openFamilies } from './families.ts';
import {
  type Answer,
  answerBroken,
  answerSlow,
  Blocking,
  type Clock,
  emptyAnswer,
  expectsContinue,
  HEAD_BYTES_MAX,
  HEAD_TIMEOUT_MS,
  locationOf,
  ParkedQueries,
  Pipeline,
  parseQueryOptions,
  parseTarget,
  REQUEST_TIMEOUT_MS,
  Refusal,
  respond,
  SYSTEM_CLOCK,
  textAnswer,
  variedAnswer,
} from './http.ts';
import { PlainConnections, type PlainOptions } from './plain.ts';
import {
  type Arrival,
  HttpArrival,
  RequestCaller,
  type RequestHead,
  secretOf,
} from './request-caller.ts';
import type { Method, Reply } from './routes.ts';

const IDLE_TIMEOUT_MS = 120_000;
const CONNECTIONS_MAX = 25_000;
/** Of the descriptors of a process that does nothing else. */
const PART_ALONE = 7 / 8;
const CLOSE_TIMEOUT_MS = 2_000;

export type ConsulApi = {
  readonly address: Address;
  /** For the next process. */
  readonly listening: ListeningSocket | undefined;
  /** As a request for it does, without one; false: there is no such session. */
  renewSession(id: string): boolean;
  /** Who is connected is answered as before, and the connection then closed; nobody new comes in. */
  stopAccepting(): void;
  close(): Promise<void>;
};

const DATACENTER_DEFAULT = 'dc1';

/**
 * Serves the store on `host:port` (port 0: any free one). The store stays the caller's to close.
 * @throws address_in_use, address_unavailable
 */
export async function serveConsulApi(options: {
  readonly store: Store;
  readonly host: string;
  readonly port: number;
  readonly log: Log;
  /** Of the process before: used in place of binding, where it is for this address. */
  readonly inherited?: ListeningSocket | undefined;
  /** The path of a socket to listen on in place of host and port. */
  readonly socket?: string;
  /** The process does nothing else: nearly all of its descriptors are for this. */
  readonly alone?: boolean;
  /** As clients see it; `dc1`. */
  readonly datacenter?: string;
  /** The name of the one node; the host's. */
  readonly nodeName?: string;
  /** Undefined: no access control, everybody may do everything. */
  readonly acl?: AclSettings | undefined;
  /** A UUID; made of the node's name and address. */
  readonly nodeId?: string;
  readonly nodeMeta?: Readonly<Record<string, string>>;
  /** Runs the commands that come with checks: whoever may register then runs programs here. */
  readonly scripts?: boolean;
  /** What it calls itself as the leader; the address of the API. */
  readonly serverAddress?: Address;
  /** Services and checks that are there without being registered; read again at `agent/reload`. */
  readonly definitions?: () => Definitions;
  /** For Consul's program: an empty store begins beyond index 1, which harnesses take for not ready. */
  readonly standsIn?: boolean;
  /** Where Consul would have its pages, by the host that was asked for; '' or none = nowhere. */
  readonly dashboard?: (host: string) => string;
  readonly random?: () => number;
  readonly clock?: Clock;
}): Promise<ConsulApi> {
  const { store, log, datacenter = DATACENTER_DEFAULT, nodeName = hostname() } = options;
  const parked = new ParkedQueries(store);
  const { random = Math.random, clock = SYSTEM_CLOCK, acl } = options;
  const identities = acl && new Identities(store, clock, datacenter, acl);
  const server = createServer({
    maxHeaderSize: HEAD_BYTES_MAX,
    headersTimeout: HEAD_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: 5_000,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    noDelay: true,
  });
  // A client that sends its request and then ends its side still gets its answer, as with Consul.
  Object.assign(server, { httpAllowHalfOpen: true });
  boundConnections(server, {
    most: CONNECTIONS_MAX,
    part: options.alone === true ? PART_ALONE : undefined,
    log,
    text: 'registry connections dropped: too many; raise the limit of open files (ulimit -n)',
  });
  let endpoints: Endpoints | undefined;
  let closing = false;
  const pipeline = new Pipeline();
  const failed = (method: string, error: unknown): Answer => {
    if (error instanceof Refusal) return error.answer;
    if (!isSluiceError(error)) {
      log.error({ method, reason: messageOf(error) }, 'registry request failed');
    }
    return textAnswer(isSluiceError(error) ? httpStatus(error.code) : 500, messageOf(error));
  };
  const carryOut = (exchange: Exchange, settle: (answer: Answer) => void): void => {
    const fail = (error: unknown): void => settle(failed(exchange.head.method, error));
    let answered: Reply;
    try {
      answered =
        toDashboard(exchange, options.dashboard) ?? handle(exchange, endpoints, identities);
    } catch (error) {
      return fail(error);
    }
    if (answered instanceof Promise) answered.then(settle, fail);
    else if ('whenAnswered' in answered) answered.whenAnswered(settle, fail);
    else settle(answered);
  };
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const head = {
      method: request.method ?? '',
      url: request.url ?? '/',
      headers: request.headers,
    };
    carryOut({ head, arrival: new HttpArrival(request, response, pipeline) }, (answered) => {
      // Nobody knows whether a body that was not asked for will come: we close, as Consul does.
      const unasked = request.readableFlowing === null && expectsContinue(request);
      if (closing || unasked) response.shouldKeepAlive = false;
      respond(request, response, answered);
    });
  };
  // With a listener of its own, `Expect: 100-continue` is told to go on only when its body is wanted.
  for (const event of ['request', 'checkContinue'] as const) {
    server.on(event, (request: IncomingMessage, response: ServerResponse) =>
      pipeline.enter(request, response, () => answer(request, response)),
    );
  }
  const plain = enterPlain(server, {
    serve: (head, connection) =>
      carryOut({ head, arrival: connection }, (answered) => connection.send(answered)),
    refuseSlow: answerSlow,
    idleTimeoutMs: IDLE_TIMEOUT_MS,
  });
  answerBroken(server, pipeline);
  await listen(server, options);
  const bound = server.address();
  const address = {
    host: options.host,
    port: bound !== null && typeof bound === 'object' ? bound.port : options.port,
  };
  endpoints = openFamilies({
    store,
    log,
    clock,
    random,
    datacenter,
    nodeName,
    nodeId: options.nodeId ?? madeNodeId(nodeName, address),
    nodeMeta: options.nodeMeta ?? {},
    scripts: options.scripts ?? false,
    serverAddress: options.serverAddress ?? address,
    standsIn: options.standsIn ?? false,
    definitions: options.definitions ?? (() => ({ services: [], checks: [] })),
    address,
    identities,
    checks: checkStatus(store),
    parked,
    blocking: new Blocking(store, parked, random),
    optionsOf: (query) => parseQueryOptions(query, datacenter),
  });
  await endpoints.opened;
  server.on('error', (error) => log.error({ reason: error.message }, 'registry listener failed'));
  let stopped: Promise<void> | undefined;
  const stopAccepting = (): Promise<void> => {
    closing = true;
    plain.isClosing = true;
    stopped ??= closeListener(server);
    return stopped;
  };
  log.info({ address: formatAddress(address), index: store.index }, 'registry listens');
  return {
    address,
    listening: listeningSocket(server, address),
    renewSession: (id) => endpoints?.renewSession(id) === true,
    stopAccepting,
    close: () => {
      const closed = stopAccepting();
      plain.close();
      endpoints?.close();
      identities?.close();
      parked.close();
      return close(server, plain, closed);
    },
  };
}

type Exchange = { readonly head: RequestHead; readonly arrival: Arrival };

function handle(
  exchange: Exchange,
  endpoints: Endpoints | undefined,
  identities: Identities | undefined,
): Reply {
  const { head } = exchange;
  const target = parseTarget(head.url);
  if (target.kind === 'refused') {
    return target.why === '' ? emptyAnswer(400) : textAnswer(400, target.why);
  }
  const { path, rawQuery } = target;
  // Consul's paths that have others below them end in a slash.
  if (endpoints?.isFolder(path) === true) {
    return moved(head, locationOf(`${path}/`, rawQuery));
  }
  if (target.kind === 'moved') return moved(head, locationOf(path, rawQuery));
  const { query } = target;
  if (path === '/') return rootAnswer();
  const found = endpoints?.find(path);
  if (found === undefined) return NOT_OFFERED.test(path) ? notOffered(path) : emptyAnswer(404);
  const [endpoint, rest] = found;
  const { method } = head;
  const handler = isMethod(method) ? endpoint[method] : undefined;
  if (handler === undefined) {
    const allow = ['OPTIONS', ...Object.keys(endpoint)].join(',');
    if (method === 'OPTIONS') return variedAnswer(200, ['Allow', allow]);
    const refused = textAnswer(405, `method ${method} not allowed`);
    return { ...refused, headers: ['Allow', allow, ...refused.headers] };
  }
  return handler(rest, query, new RequestCaller(secretOf(head, query), exchange, identities));
}

/** Users of Consul look for the pages where its API is. */
function toDashboard(
  { head }: Exchange,
  dashboard: ((host: string) => string) | undefined,
): Reply | undefined {
  if (dashboard === undefined || !/^\/ui(?:[/?]|$)/.test(head.url)) return undefined;
  const place = dashboard(String(head.headers['host'] ?? ''));
  // Not for good: tomorrow the dashboard may listen elsewhere.
  return place === '' ? undefined : emptyAnswer(307, ['Location', place]);
}

function isMethod(method: string): method is Method {
  return ['GET', 'PUT', 'POST', 'DELETE'].includes(method);
}

/** What Consul has and we do not: an empty 404 would be taken for an empty list. */
const NOT_OFFERED =
  /^\/v1\/(acl|agent|catalog|config|connect|coordinate|event|health|internal|operator|query|snapshot)(\/|$)/;

/** What Consul itself refuses with these words where the mesh is off; clients look for them. */
const MESH = /^\/v1\/(agent\/)?connect\/ca\//;

function notOffered(path: string): Answer {
  if (MESH.test(path)) {
    return textAnswer(
      501,
      `${path}: Connect must be enabled in order to use this endpoint, and this registry has no mesh; use a Consul for it`,
    );
  }
  return textAnswer(
    501,
    `${path} is not offered by this registry: see docs/consul-compatibility.md for what is; use a Consul for the rest`,
  );
}

function rootAnswer(): Answer {
  const answer = textAnswer(200, 'Consul Agent');
  return { ...answer, headers: answer.headers.slice(2) };
}

function moved({ method }: RequestHead, location: string): Answer {
  if (method !== 'GET' && method !== 'HEAD') {
    return emptyAnswer(301, ['Location', location]);
  }
  const href = location.replaceAll('&', '&amp;').replaceAll('"', '&#34;').replaceAll("'", '&#39;');
  const { body } = textAnswer(301, `<a href="${href}">Moved Permanently</a>.\n\n`);
  const headers = ['Content-Type', 'text/html; charset=utf-8', 'Location', location];
  return { status: 301, headers, body };
}

/** Every connection begins as a plain one; node:http's own listener gets it when it is not. */
function enterPlain(server: Server, options: Omit<PlainOptions, 'take'>): PlainConnections {
  const listeners = server.listeners('connection');
  server.removeAllListeners('connection');
  const take = (socket: Socket): void => {
    for (const listener of listeners) Reflect.apply(listener, server, [socket]);
  };
  const plain = new PlainConnections({ ...options, take });
  server.on('connection', (socket: Socket) => plain.enter(socket));
  return plain;
}

type ListenOn = {
  readonly host: string;
  readonly port: number;
  readonly socket?: string;
  readonly inherited?: ListeningSocket | undefined;
};

async function listen(server: Server, { host, port, socket, inherited }: ListenOn): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const at = socket === undefined ? { host, port } : { path: socket };
      const done = (): void => {
        server.removeListener('error', reject);
        resolve();
      };
      const handle = socketFor({ host, port }, inherited);
      if (handle === undefined) server.listen({ ...at, backlog: 4096 }, done);
      else server.listen(handle, 4096, done);
    });
  } catch (error) {
    const at = `registry address ${socket ?? formatAddress({ host, port })}`;
    if (systemCode(error) === 'EADDRINUSE') {
      throw new SluiceError(
        'address_in_use',
        `${at}: already in use; stop the program that listens there or set another registry.embedded.listen`,
        { cause: error },
      );
    }
    throw new SluiceError(
      'address_unavailable',
      `${at}: cannot listen (${messageOf(error)}); set another registry.embedded.listen`,
      { cause: error },
    );
  }
}

/** Lets answers that are under way finish, for a bounded time. */
async function close(
  server: Server,
  plain: PlainConnections,
  closed: Promise<void>,
): Promise<void> {
  server.closeIdleConnections();
  const timer = setTimeout(() => {
    server.closeAllConnections();
    plain.destroyAll();
  }, CLOSE_TIMEOUT_MS);
  await closed;
  clearTimeout(timer);
}
