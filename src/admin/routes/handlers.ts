// One handler for each route of the contract: asks `Control` and answers with what it says. The compiler
// refuses a route without one. No HTTP here.

import { SluiceError } from '../../base/errors.ts';
import { mayAct } from '../../model.ts';
import type { AuditLog } from '../audit.ts';
import type { AnswerOf, InputOf, ReleaseJournal, RouteName, Routes } from '../contract.ts';
import type {
  Configuration,
  Control,
  Desk,
  Live,
  Readiness,
  RecordDesk,
  ReleaseDesk,
  Tell,
} from '../control.ts';
import { METRICS_CONTENT_TYPES, metricsFormat, renderPage } from '../pages.ts';
import type { Access, Caller } from './access.ts';

export type Handlers = {
  readonly [Name in RouteName]: (
    input: InputOf<Routes[Name]>,
    caller: Caller,
    visit: Visit,
  ) => AnswerOf<Routes[Name]> | Promise<AnswerOf<Routes[Name]>>;
};

/** What a handler may know of whoever asks, beside the request, and tell the browser. */
export type Visit = {
  /** The client's address. */
  readonly from: string;
  /** What it would read: its Accept field, or ''. */
  readonly accept: string;
  setCookie(cookie: string): void;
  /** What the audit log has of the body, where the route says it itself. */
  readonly tell: Tell;
  /** The audit log's line of a login. */
  loggedIn(token: string): void;
  refused(error: unknown): void;
};

export type HandlersOptions = {
  readonly control: Control;
  readonly live: Live;
  readonly desk: Desk;
  readonly configuration: Configuration;
  readonly readiness: () => Readiness;
  readonly audit: AuditLog;
  readonly access: Access;
};

export function createHandlers(options: HandlersOptions): Handlers {
  const { control, live, desk, configuration, readiness, audit, access } = options;
  return {
    health: () => ({ status: 'ok' }),
    ready: () => {
      const { reason } = readiness();
      return reason === '' ? { status: 'ready' } : { status: 'not ready', reason };
    },
    ...sessionHandlers(access),
    status: () => control.status(),
    upstream: async ({ upstream }) => {
      const { upstreams } = await control.status();
      const found = upstreams.find(({ name }) => name === upstream);
      if (found !== undefined) return found;
      throw new SluiceError('not_found', `upstream "${upstream}": unknown`);
    },
    setAdmin: ({ upstream, server, body }) => control.setAdmin(upstream, server, body),
    awaitIdle: ({ upstream, server, wait }) => control.awaitIdle(upstream, server, wait),
    setWeight: async ({ upstream, server, body: { weight } }) => {
      await control.setWeight(upstream, server, weight);
      return { server, weight };
    },
    register: async ({ upstream, server, body }) => {
      await control.register(upstream, server, body);
      return { server, down: body.down };
    },
    deregister: async ({ upstream, server, body }) => {
      await control.deregister(upstream, server, body);
      return { server };
    },
    effect: ({ upstream, server, ...asked }, { token }) =>
      desk.effect(upstream, server, {
        ...{ ...asked, by: `user:${token === '' ? 'me' : token}`, isClosed: token !== '' },
      }),
    reload: ({ body }) => configuration.reload(body),
    upgrade: () => configuration.upgrade(),
    openReceipt: ({ upstream }) => control.openReceipt(upstream),
    readReceipt: ({ id }) => control.readReceipt(id),
    ...releaseHandlers(control),
    ...releaseDeskHandlers(desk.releases),
    ...recordHandlers(desk.records),
    history: ({ gateway, ...question }) => live.history(question, gateway),
    requests: (question) => live.requests(question),
    stream: ({ topics, after }) => live.stream(topics, after),
    events: ({ last }) => ({ events: audit.last(last) }),
    metrics: async (_, _caller, { accept }) => {
      const format = metricsFormat(accept);
      const told = format === 'openmetrics' ? live.told() : [];
      const body = await control.metrics(format, told);
      return { contentType: METRICS_CONTENT_TYPES[format], body };
    },
    upstream_list: async ({ query }) => renderPage('upstream_list', query, await control.status()),
    upstream_status: async ({ query }) =>
      renderPage('upstream_status', query, await control.status()),
  };
}

function recordHandlers(records: RecordDesk) {
  return {
    kvList: (question) => records.list(question),
    kvEntry: (place, { role }) => records.entry(place, role || 'read'),
    kvEffect: (question, { token }) => records.effect(question, token !== ''),
    kvWrite: ({ body }, { role }, { tell }) => records.write(body, role || 'read', tell),
    kvRemove: async ({ body }, { role }, { tell }) => ({
      ...{ registry: body.registry, key: body.key },
      removed: await records.remove(body, role || 'read', tell),
    }),
  } satisfies Partial<Handlers>;
}

function sessionHandlers(access: Access) {
  return {
    session: (_, caller) => access.describe(caller),
    openSession: ({ body: { token } }, _, visit) => {
      try {
        const caller = access.login(token, visit.from);
        if (caller.cookie !== undefined) visit.setCookie(caller.cookie);
        visit.loggedIn(caller.token);
        return access.describe(caller);
      } catch (error) {
        visit.refused(error);
        throw error;
      }
    },
    endSession: (_, caller, visit) => {
      const nobody = access.logout(caller);
      if (nobody.cookie !== undefined) visit.setCookie(nobody.cookie);
      return access.describe(nobody);
    },
  } satisfies Partial<Handlers>;
}

function releaseDeskHandlers(releases: ReleaseDesk) {
  return {
    releaseOverview: ({ last }) => releases.overview(last),
    startRelease: ({ service, body }, { token }) => releases.start(service, body, token),
    releaseRun: ({ service }) => releases.run(service),
    releasePlan: ({ service, ...asked }) => releases.plan(service, asked),
    instanceOutput: ({ service, instance, last }) => releases.output(service, instance, last),
  } satisfies Partial<Handlers>;
}

function releaseHandlers({ releases }: Pick<Control, 'releases'>) {
  return {
    releases: ({ service }) => releases.history(service),
    releaseJournal: async ({ service, release }, { role }) => {
      const journal = await releases.journal(service, release);
      return role !== '' && mayAct(role, 'release') ? journal : withoutConfiguration(journal);
    },
    takeLock: ({ service, body }) => releases.take(service, body),
    renewLock: ({ service, body }) => releases.renew(service, body),
    appendRecords: async ({ service, body }) => {
      await releases.append(service, body);
      return { service, written: body.records.length };
    },
    closeRelease: async ({ service, body }) => {
      await releases.close(service, body);
      return { service };
    },
    commandRelease: async ({ service, body }) => ({
      release: await releases.command(service, body),
    }),
    instanceRecords: ({ service }) => releases.instances(service),
    putInstanceRecord: async ({ service, instance, body }) => {
      await releases.putInstance(service, instance, body);
      return { service };
    },
  } satisfies Partial<Handlers>;
}

/** What is kept for a resume has whatever the configuration has, such as a password in an `env`. */
function withoutConfiguration(journal: ReleaseJournal): ReleaseJournal {
  const records = journal.records.map((record) => {
    const { settings, ...data } = record.data;
    return settings === undefined ? record : { ...record, data };
  });
  return { ...journal, records };
}
