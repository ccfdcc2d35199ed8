// The services on the overview: what is being released and how far it is, and what was released last.

import type { ReleaseJournal, ServiceRow } from '../../admin.ts';
import { isSluiceError } from '../../base/errors.ts';
import type { SeenReleases } from './seen-releases.ts';

/** Services beyond that are left out: their pages have them. */
const SERVICES_MAX = 200;

export async function serviceRows(
  releases: SeenReleases,
): Promise<Readonly<Record<string, ServiceRow>>> {
  const names = [...releases.standing().keys()].slice(0, SERVICES_MAX);
  const rows = await Promise.all(
    names.map(async (name) => {
      try {
        return [[name, await rowOf(releases, name)] as const];
      } catch (error) {
        // The registry is away, and nothing was read before: it is said elsewhere.
        if (isSluiceError(error)) return [];
        throw error;
      }
    }),
  );
  return Object.fromEntries(rows.flat());
}

async function rowOf(releases: SeenReleases, service: string): Promise<ServiceRow> {
  const history = await releases.history(service);
  const last = history.releases.find(({ endedAtMs }) => endedAtMs > 0);
  const holder = history.lock?.holder ?? undefined;
  const upstream = holder?.upstream ?? history.releases[0]?.upstream ?? service;
  const over = last === undefined ? {} : { last };
  if (holder === undefined) return { upstream, ...over };
  const { release, version, user, runner, sinceMs, step, waits } = holder;
  const journal = await releases.journal(service, release);
  return {
    ...{ upstream, ...over },
    running: {
      ...{ release, version, user, runner, sinceMs, step, stale: history.stale },
      ...(waits === undefined ? {} : { waits }),
      ...progress(journal),
    },
  };
}

/** Nothing before there is a plan. */
function progress({
  records,
}: ReleaseJournal): Pick<ServiceRow['running'] & object, 'done' | 'total'> {
  const plan = records.findLast(({ kind }) => kind === 'plan')?.data['plan'];
  if (typeof plan !== 'object' || plan === null || !('instances' in plan)) return {};
  if (!Array.isArray(plan.instances)) return {};
  const admitted = records.filter(({ kind, step }) => kind === 'done' && step === 'admit');
  const done = new Set(admitted.map(({ instance }) => instance));
  return { done: done.size, total: plan.instances.length };
}
