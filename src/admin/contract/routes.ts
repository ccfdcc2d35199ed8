// The routes of the control API, each declared once. The server has a handler for every name, the CLI
// and browsers call them by name, and docs/control-api.md is compared with this table.

import type { ErrorCode } from '../../base/errors.ts';
import type { PageName } from '../../model.ts';
import { DRAIN, EVENTS, RECEIPT, REGISTERED, STATUS, UPSTREAM, WEIGHT } from './documents.ts';
import { EFFECT_ROUTES } from './effects.ts';
import { GATEWAY_CHOICE, HISTORY, SERVER_NAME, SPAN, UPSTREAM_NAME } from './history.ts';
import { KV_ROUTES } from './kv.ts';
import { RELEASE_DESK_ROUTES } from './release-desk.ts';
import { RELEASE_ROUTES } from './release-routes.ts';
import { RELOAD_ROUTES } from './reload.ts';
import { ADMIN_BODY, DEREGISTER_BODY, LAST, REGISTER_BODY, WAIT, WEIGHT_BODY } from './requests.ts';
import type { Route } from './route.ts';
import { SESSION_ROUTES } from './sessions.ts';
import { either, object, text, word } from './shape.ts';
import { STORY_ROUTES } from './stories.ts';
import { AFTER, TOPICS } from './stream.ts';
import { UPGRADE_ROUTES } from './upgrade.ts';

const HEALTH = object({ status: word<'ok'>() });
const DEREGISTERED = object({ server: text });
const READY = either(
  object({ status: word<'not ready'>(), reason: text }),
  object({ status: word<'ready'>() }),
);

/** Every page that a route of the gateway can show is here as well. */
const PAGES = {
  upstream_list: {
    method: 'GET',
    path: '/upstream_list',
    role: 'read',
    query: 'raw',
    answer: 'text',
    errors: [],
  },
  upstream_status: {
    method: 'GET',
    path: '/upstream_status',
    role: 'read',
    query: 'raw',
    answer: 'text',
    errors: [],
  },
} as const satisfies Readonly<Record<PageName, Route>>;

export const ROUTES = {
  health: { method: 'GET', path: '/healthz', role: 'open', answer: HEALTH, errors: [] },
  ready: {
    method: 'GET',
    path: '/readyz',
    role: 'open',
    answer: READY,
    status: { of: (document) => (isReady(document) ? 200 : 503) },
    errors: [],
  },
  ...SESSION_ROUTES,
  status: { method: 'GET', path: '/api/status', role: 'read', answer: STATUS, errors: [] },
  upstream: {
    method: 'GET',
    path: '/api/upstreams/:upstream',
    role: 'read',
    answer: UPSTREAM,
    errors: ['not_found'],
  },
  setAdmin: {
    method: 'POST',
    path: '/api/upstreams/:upstream/servers/:server/admin',
    role: 'operate',
    body: ADMIN_BODY,
    answer: DRAIN,
    errors: ['not_found', 'conflict', 'locked', 'guard_refused', 'storage_full', 'storage_failed'],
  },
  awaitIdle: {
    method: 'GET',
    path: '/api/upstreams/:upstream/servers/:server/idle',
    role: 'read',
    query: { wait: WAIT },
    answer: DRAIN,
    errors: ['not_found', 'conflict'],
  },
  setWeight: {
    method: 'POST',
    path: '/api/upstreams/:upstream/servers/:server/weight',
    role: 'operate',
    body: WEIGHT_BODY,
    answer: WEIGHT,
    errors: ['not_found', 'conflict', 'registry_unreachable', 'registry_refused'],
  },
  register: {
    method: 'POST',
    path: '/api/upstreams/:upstream/servers/:server/register',
    role: 'operate',
    body: REGISTER_BODY,
    answer: REGISTERED,
    errors: ['not_found', 'conflict', 'registry_unreachable', 'registry_refused'],
  },
  deregister: {
    method: 'POST',
    path: '/api/upstreams/:upstream/servers/:server/deregister',
    role: 'operate',
    body: DEREGISTER_BODY,
    answer: DEREGISTERED,
    errors: ['not_found', 'conflict', 'registry_unreachable', 'registry_refused'],
  },
  ...EFFECT_ROUTES,
  ...RELOAD_ROUTES,
  ...UPGRADE_ROUTES,
  openReceipt: {
    method: 'POST',
    path: '/api/upstreams/:upstream/receipts',
    role: 'release',
    answer: RECEIPT,
    status: 201,
    errors: ['not_found', 'timeout'],
  },
  readReceipt: {
    method: 'GET',
    path: '/api/receipts/:id',
    role: 'read',
    answer: RECEIPT,
    errors: ['not_found', 'timeout'],
  },
  ...RELEASE_ROUTES,
  ...RELEASE_DESK_ROUTES,
  ...KV_ROUTES,
  history: {
    method: 'GET',
    path: '/api/history',
    role: 'read',
    query: {
      ...{ upstream: UPSTREAM_NAME, server: SERVER_NAME, span: SPAN },
      gateway: GATEWAY_CHOICE,
    },
    answer: HISTORY,
    errors: ['not_found'],
  },
  ...STORY_ROUTES,
  stream: {
    method: 'GET',
    path: '/api/stream',
    role: 'read',
    query: { topics: TOPICS, after: AFTER },
    answer: 'stream',
    errors: ['not_found'],
  },
  events: {
    method: 'GET',
    path: '/api/events',
    role: 'read',
    query: { last: LAST },
    answer: EVENTS,
    errors: [],
  },
  metrics: { method: 'GET', path: '/metrics', role: 'read', answer: 'text', errors: [] },
  ...PAGES,
} as const satisfies Readonly<Record<string, Route>>;

export type Routes = typeof ROUTES;
export type RouteName = keyof Routes;

/** In the order of the table. */
export const ROUTE_NAMES = Object.keys(ROUTES) as readonly RouteName[];

/** What a client can be told on any route. */
export const EVERYWHERE: readonly ErrorCode[] = [
  'unauthorized',
  'forbidden',
  'unreachable',
  'internal',
];

/** `upstream_list` is the name of a page in the configuration and of its route here. */
export function routeOf(name: RouteName): Route {
  return ROUTES[name];
}

function isReady(document: unknown): boolean {
  return READY.fits(document) && document.status === 'ready';
}
