// The spans of an exchange that has ended: one of the server's kind for it, and one of the client's kind for
// each attempt. What is in them is bounded, and queries are masked as in stories.
//
// **Source:** OpenTelemetry semantic conventions for HTTP spans (stable).

import type { SpanAttributes, SpanData } from '../../model.ts';
import { fieldValue } from '../field-values.ts';
import { masked, short } from '../recorder.ts';
import type { TraceOfRequest } from '../tracing.ts';
import type { Ended } from './tell.ts';

const TEXT_LENGTH_MAX = 200;
/** Others are `_OTHER`: a client must not be able to make names. */
const METHODS: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'],
]);

type Attempted = {
  readonly spanId: string;
  readonly server: string;
  readonly startMs: number;
  readonly endMs: number;
  /** Of its answer; 0 = none. */
  readonly status: number;
  /** '' = it did not fail. */
  readonly failure: string;
};

export function spansOf(ended: Ended, trace: TraceOfRequest, id: string): SpanData[] {
  const { nowMs } = ended;
  // From the clock of the gateway to that of everybody.
  const epochMs = Date.now() - nowMs;
  const server = serverSpan(ended, trace, { id, epochMs });
  return [
    server,
    ...attempted(ended).map((one, index) => {
      const resends = { 'http.request.resend_count': index };
      const attributes = {
        ...requestAttributes(ended),
        ...addressOf(one.server),
        'url.full': `http://${one.server}${masked(ended.head.target)}`,
        ...(index > 0 ? resends : {}),
        ...(one.status > 0 ? { 'http.response.status_code': one.status } : {}),
        ...(one.failure === '' ? {} : { 'sluice.failure': short(one.failure, TEXT_LENGTH_MAX) }),
        ...errorType(one.failure !== '' ? 'attempt_failed' : one.status >= 400 ? one.status : ''),
      };
      return {
        ...{ traceId: trace.traceId, spanId: one.spanId, parentId: trace.spanId },
        ...{ isParentRemote: false, kind: 'client' as const, name: nameOf(ended.head.method) },
        ...{ startMs: epochMs + one.startMs, endMs: epochMs + one.endMs, attributes },
        isError: one.failure !== '' || one.status >= 400,
      };
    }),
  ];
}

function serverSpan(
  ended: Ended,
  trace: TraceOfRequest,
  { id, epochMs }: { readonly id: string; readonly epochMs: number },
): SpanData {
  const { attempts, client, gateway, head, upstream, result, nowMs } = ended;
  const route = short(gateway.routes.nameOf(head.host, head.target), TEXT_LENGTH_MAX);
  const status = attempts.status || attempts.refusedWith;
  const isError = status >= 500 || result === 'lost' || result === 'cut';
  const [path = '', query = ''] = masked(head.target).split('?', 2);
  const agent = fieldValue(head.fields, 'user-agent');
  return {
    ...{ traceId: trace.traceId, spanId: trace.spanId, parentId: trace.parentId },
    ...{ isParentRemote: trace.parentId !== '', kind: 'server' },
    name: route === '' ? nameOf(head.method) : `${nameOf(head.method)} ${route}`,
    ...{ startMs: epochMs + attempts.beganMs, endMs: epochMs + nowMs, isError },
    attributes: {
      ...requestAttributes(ended),
      ...{ 'url.scheme': client.forwarding.scheme, 'url.path': path },
      ...(query === '' ? {} : { 'url.query': query }),
      ...(head.host === '' ? {} : { 'server.address': short(head.host, TEXT_LENGTH_MAX) }),
      'client.address': client.forwarding.client(head),
      'network.peer.address': client.forwarding.peer,
      'network.protocol.version': head.protocol.slice(5),
      ...(agent === '' ? {} : { 'user_agent.original': short(agent, TEXT_LENGTH_MAX) }),
      ...(route === '' ? {} : { 'http.route': route }),
      ...(status === 0 ? {} : { 'http.response.status_code': status }),
      ...(upstream === undefined ? {} : { 'sluice.upstream': upstream.name }),
      ...{ 'sluice.request_id': id, 'sluice.result': result },
      ...(ended.reason === '' ? {} : { 'sluice.reason': short(ended.reason, TEXT_LENGTH_MAX) }),
      ...errorType(isError ? status || result : ''),
    },
  };
}

/** In order; of very many the first and the last ones. */
function attempted({ attempts, server, result, reason, nowMs }: Ended): Attempted[] {
  const failed = attempts.failures.map(({ told, spanId }) => ({
    ...{ spanId, server: told.server, startMs: told.startMs, endMs: told.startMs + told.tookMs },
    ...{ status: told.status, failure: told.failure },
  }));
  if (server === undefined) return failed;
  const { spanId, startedMs: startMs, status } = attempts;
  const failure = result === 'answered' ? '' : reason;
  return [...failed, { spanId, server: server.id, startMs, endMs: nowMs, status, failure }];
}

function requestAttributes({ head: { method } }: Ended): SpanAttributes {
  if (METHODS.has(method)) return { 'http.request.method': method };
  const original = short(method, TEXT_LENGTH_MAX);
  return { 'http.request.method': '_OTHER', 'http.request.method_original': original };
}

/** `10.0.0.1:80`, `[::1]:80`. */
function addressOf(server: string): SpanAttributes {
  const colon = server.lastIndexOf(':');
  const address = server.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { 'server.address': address, 'server.port': Number(server.slice(colon + 1)) };
}

function nameOf(method: string): string {
  return METHODS.has(method) ? method : 'HTTP';
}

function errorType(what: string | number): SpanAttributes {
  return what === '' ? {} : { 'error.type': String(what) };
}
