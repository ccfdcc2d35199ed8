// The control API over HTTP: each route of the contract is read, handed to its handler and answered;
// what a handler throws becomes `{ error: { code, message, details } }`. No state here.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { methodNotAllowed } from 'hono/method-not-allowed';
import {
  type ErrorCode,
  httpStatus,
  isSluiceError,
  messageOf,
  SluiceError,
} from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { TextAnswer } from '../../model.ts';
import type { AuditLog } from '../audit.ts';
import {
  type OpenStream,
  ROUTE_NAMES,
  type Route,
  type RouteName,
  routeOf,
  statusOf,
} from '../contract.ts';
import {
  type Configuration,
  type Control,
  type Desk,
  type Live,
  type Readiness,
  shuttingDown,
} from '../control.ts';
import { createDashboard } from '../dashboard.ts';
import { type Access, type Caller, checkRole, NOBODY } from './access.ts';
import { beginEvents } from './event-stream.ts';
import { createHandlers, type Visit } from './handlers.ts';
import { Recorder, type RecorderOptions } from './recorder.ts';

const BODY_BYTES_MAX = 64 * 1024;

export type AppOptions = {
  readonly control: Control;
  readonly live: Live;
  readonly desk: Desk;
  readonly configuration: Configuration;
  readonly readiness: () => Readiness;
  readonly access: Access;
  readonly audit: AuditLog;
  readonly facts: RecorderOptions['facts'];
  readonly log: Log;
};

type Env = {
  Variables: {
    caller: Caller;
    /** Why nobody is let in; `isStranger`: only because no token says who it is. */
    refusal: SluiceError | undefined;
    isStranger: boolean;
  };
  Bindings: HttpBindings;
};

export function createApp(options: AppOptions): Hono<Env> {
  const { readiness, access, log } = options;
  const recorder = new Recorder(options);
  const app = new Hono<Env>();
  // A route and its handler share their types in `Handlers`, by name; here is any of them.
  const handlers = createHandlers(options) as Readonly<
    Record<RouteName, (input: unknown, caller: Caller, visit: Visit) => unknown>
  >;
  const serve = (name: RouteName): void => {
    const route = routeOf(name);
    app.on(route.method, route.path, async (context) => {
      const { socket } = context.env.incoming;
      const from = socket.remoteAddress ?? '';
      const names = context.req.param();
      const certificate = certificateName(socket);
      const cookies: string[] = [];
      const visit: Visit = {
        from,
        accept: context.req.header('accept') ?? '',
        tell: () => {},
        setCookie: (cookie) => void cookies.push(cookie),
        loggedIn: (token) =>
          recorder.done({ action: name, token: token || certificate, from, names }),
        refused: (error) => {
          if (!isSluiceError(error)) return;
          recorder.refused({ action: name, token: certificate, from, names }, error);
        },
      };
      if (route.role === 'open') return responseOf(route, await handlers[name]({}, NOBODY, visit));
      const refusal = context.get('refusal');
      const isWelcome = route.role === 'anybody' && context.get('isStranger');
      if (refusal !== undefined && !isWelcome) {
        visit.refused(refusal);
        throw refusal;
      }
      const caller = context.get('caller');
      const { role } = route;
      const answer = async (heard: (body: unknown) => void = () => {}): Promise<Response> => {
        if (role !== 'anybody') checkRole(caller, role);
        const input = await readInput(route, context);
        if (route.answer === 'stream') {
          const open = (asked: unknown): unknown => handlers[name](asked, caller, visit);
          return openStream(context, input, { open, access, caller });
        }
        if (route.tellsItself !== true) heard(input['body']);
        const told: Visit = { ...visit, tell: heard };
        const response = responseOf(route, await handlers[name](input, caller, told));
        const [cookie = caller.cookie] = cookies;
        if (cookie !== undefined) response.headers.append('set-cookie', cookie);
        return response;
      };
      if (route.method === 'GET' || route.isQuiet === true) return answer();
      return recorder.record(
        { action: name, token: caller.token || certificate, from, names },
        answer,
      );
    });
  };

  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (context, methods) => wrongMethod(context, methods),
    }),
  );
  const isOpen = (name: RouteName): boolean => routeOf(name).role === 'open';
  for (const name of ROUTE_NAMES) if (isOpen(name)) serve(name);
  const dashboard = createDashboard();
  for (const path of ['/', '/ui', '/ui/*']) app.get(path, dashboard);
  app.use(async (context, next) => {
    if (readiness().isClosing) throw shuttingDown();
    // The route, which comes next, knows what was asked for.
    let isPageOurs = false;
    try {
      access.checkPage(context.req);
      isPageOurs = true;
      context.set('caller', access.callerOf(context.req));
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      context.set('caller', NOBODY);
      context.set('refusal', error);
      context.set('isStranger', isPageOurs);
    }
    await next();
  });
  for (const name of ROUTE_NAMES) if (!isOpen(name)) serve(name);

  const paths = ROUTE_NAMES.map((name) => routeOf(name).path).join(', ');
  app.notFound((context) => {
    // Which pages there are is said to those who may see them.
    const refusal = context.get('refusal');
    if (refusal !== undefined) return errorResponse(refusal.code, refusal.message, refusal.details);
    return errorResponse('not_found', `${context.req.path}: no such page; there are ${paths}`);
  });
  app.onError((error) => {
    if (isSluiceError(error)) {
      return errorResponse(error.code, error.message, error.details);
    }
    if (error instanceof HTTPException) return errorResponse('usage', error.message);
    log.error({ error: messageOf(error), stack: error.stack }, 'control request failed');
    return errorResponse('internal', 'internal error; see the log');
  });
  return app;
}

/** Of the client's certificate, where one was asked for and accepted; else ''. */
function certificateName(socket: Socket): string {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return '';
  const { CN = '' } = socket.getPeerCertificate().subject ?? {};
  return `certificate ${CN}`;
}

/** The names of the path, the query and the body in one object. @throws usage, too_large */
async function readInput(route: Route, context: Context): Promise<Record<string, unknown>> {
  const { query, body } = route;
  const input: Record<string, unknown> = { ...context.req.param() };
  if (query === 'raw') input['query'] = new URL(context.req.url).search.slice(1);
  else {
    for (const [name, parameter] of Object.entries(query ?? {})) {
      input[name] = parameter.parse(context.req.query(name));
    }
  }
  if (body !== undefined) {
    input['body'] = body.parse(await readJson(context, body.bytesMax ?? BODY_BYTES_MAX));
  }
  return input;
}

/** From here on the response is written by whoever has something to say. */
function openStream(
  context: Context<Env>,
  input: Record<string, unknown>,
  follower: {
    readonly open: (input: unknown) => unknown;
    readonly access: Access;
    readonly caller: Caller;
  },
): Response {
  const { access, caller } = follower;
  // A browser says it by itself when it connects again.
  const after = context.req.header('last-event-id') ?? input['after'];
  // What the handler of such a route answers with.
  const open = follower.open({ ...input, after }) as OpenStream;
  if (context.req.method === 'HEAD') return new Response(null);
  const { outgoing } = context.env;
  if (caller.cookie !== undefined) outgoing.setHeader('set-cookie', caller.cookie);
  beginEvents(outgoing, open);
  outgoing.once(
    'close',
    access.follow(caller, () => void outgoing.end()),
  );
  return RESPONSE_ALREADY_SENT;
}

function responseOf(route: Route, answer: unknown): Response {
  const status = statusOf(route, answer);
  // It is of this moment, and of whoever asked.
  const noStore = { 'cache-control': 'no-store' };
  if (route.answer !== 'text') return Response.json(answer, { status, headers: noStore });
  // What the handler of such a route answers with.
  const { contentType, body } = answer as TextAnswer;
  return new Response(body, { status, headers: { ...noStore, 'content-type': contentType } });
}

async function readJson(context: Context, bytesMax: number): Promise<unknown> {
  const text = await readBody(context, bytesMax);
  try {
    return JSON.parse(text);
  } catch {
    throw new SluiceError('usage', 'request body: not JSON; send an object');
  }
}

/** The limit holds while reading: a body without a length cannot grow beyond it either. */
async function readBody(context: Context, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of context.req.raw.body ?? []) {
      bytes += chunk.length;
      if (bytes > bytesMax) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new SluiceError('usage', 'request body: broke off', { cause });
  }
  if (bytes <= bytesMax) return Buffer.concat(chunks).toString('utf8');
  throw new SluiceError('too_large', `request body: over ${bytesMax} bytes`);
}

function wrongMethod(context: Context, methods: readonly string[]): Response {
  const allow = methods.join(', ');
  const message = `${context.req.path}: no ${context.req.method} here; use ${allow}`;
  const response = errorResponse('method_not_allowed', message);
  response.headers.set('allow', allow);
  return response;
}

function errorResponse(
  code: ErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): Response {
  const { retryAfterMs } = details;
  const headers = {
    ...(code === 'unauthorized' ? { 'www-authenticate': 'Bearer' } : {}),
    ...(typeof retryAfterMs === 'number'
      ? { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }
      : {}),
  };
  return Response.json(
    { error: { code, message, details } },
    { status: httpStatus(code), headers },
  );
}
