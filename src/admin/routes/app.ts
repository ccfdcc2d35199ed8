// The routes of the control API. Each handler reads the request, asks `Control`, and writes a
// document; what `Control` throws becomes `{ error: { code, message, details } }`. No state here.

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
import type { Control, Readiness } from '../contract/documents.ts';
import { parseAdminRequest, parseWait, parseWeight } from '../contract/requests.ts';
import { renderPage } from '../pages.ts';
import { checkAccess } from './access.ts';

const BODY_BYTES_MAX = 64 * 1024;

export type AppOptions = {
  readonly control: Control;
  readonly readiness: () => Readiness;
  readonly host: string;
  readonly token: string;
  readonly log: Log;
};

export function createApp(options: AppOptions): Hono {
  const { control, readiness, log } = options;
  const app = new Hono();
  const server = '/api/upstreams/:upstream/servers/:server';

  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (context, methods) => wrongMethod(context, methods),
    }),
  );
  app.get('/healthz', (context) => context.json({ status: 'ok' }));
  app.get('/readyz', (context) => {
    const { reason } = readiness();
    if (reason === '') return context.json({ status: 'ready' });
    return context.json({ status: 'not ready', reason }, 503);
  });
  app.use(async (context, next) => {
    if (readiness().isClosing) {
      throw new SluiceError('unreachable', 'sluice: shutting down');
    }
    checkAccess(context.req, options);
    await next();
  });

  app.get('/api/status', async (context) => context.json(await control.status()));
  app.get('/api/upstreams/:upstream', async (context) => {
    const name = context.req.param('upstream');
    const found = (await control.status()).upstreams.find((upstream) => upstream.name === name);
    if (found === undefined) throw new SluiceError('not_found', `upstream "${name}": unknown`);
    return context.json(found);
  });
  app.post(`${server}/admin`, async (context) => {
    const request = parseAdminRequest(await readJson(context));
    const { upstream, server } = context.req.param();
    return context.json(await control.setAdmin(upstream, server, request));
  });
  app.get(`${server}/idle`, async (context) => {
    const waitMs = parseWait(context.req.query('wait'));
    const { upstream, server } = context.req.param();
    return context.json(await control.awaitIdle(upstream, server, waitMs));
  });
  app.post(`${server}/weight`, async (context) => {
    const weight = parseWeight(await readJson(context));
    const { upstream, server } = context.req.param();
    await control.setWeight(upstream, server, weight);
    return context.json({ server, weight });
  });
  app.post('/api/upstreams/:upstream/receipts', async (context) =>
    context.json(await control.openReceipt(context.req.param('upstream')), 201),
  );
  app.get('/api/receipts/:id', async (context) =>
    context.json(await control.readReceipt(context.req.param('id'))),
  );

  app.get('/metrics', async (context) =>
    context.body(await control.metrics(), 200, {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
    }),
  );
  for (const name of ['upstream_list', 'upstream_status'] as const) {
    app.get(`/${name}`, async (context) => {
      const query = new URL(context.req.url).search.slice(1);
      const page = renderPage(name, query, await control.status());
      return context.body(page.body, 200, { 'content-type': page.contentType });
    });
  }

  const paths = app.routes.filter(({ method }) => method !== 'ALL').map(({ path }) => path);
  app.notFound((context) =>
    errorResponse('not_found', `${context.req.path}: no such page; there are ${paths.join(', ')}`),
  );
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

async function readJson(context: Context): Promise<unknown> {
  const text = await readBody(context);
  try {
    return JSON.parse(text);
  } catch {
    throw new SluiceError('usage', 'request body: not JSON; send an object');
  }
}

/** The limit holds while reading: a body without a length cannot grow beyond it either. */
async function readBody(context: Context): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of context.req.raw.body ?? []) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new SluiceError('usage', 'request body: broke off', { cause });
  }
  if (bytes <= BODY_BYTES_MAX) return Buffer.concat(chunks).toString('utf8');
  throw new SluiceError('too_large', `request body: over ${BODY_BYTES_MAX} bytes`);
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
  const headers = code === 'unauthorized' ? { 'www-authenticate': 'Bearer' } : {};
  return Response.json(
    { error: { code, message, details } },
    { status: httpStatus(code), headers },
  );
}
