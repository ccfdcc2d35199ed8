// What a person should look at now, worst first: out of what is known anyway, so it is computed while somebody
// looks. Each has a code, for pages that say it in other words, and a sentence.

import type { Attention, ServiceRow, StatusDocument, UpstreamDocument } from '../../admin.ts';
import { isRecordOwner } from '../../model.ts';

/** Out for so long, somebody may have forgotten it, ms. */
const LONG_MS = 30 * 60_000;
/** Workers give a sign of life twice a second, ms. */
const WORKER_SILENT_MS = 3000;
/** A release that failed is news for so long, ms. */
const NEWS_MS = 60 * 60_000;
/** Of one kind in one upstream; the rest is a number. */
const NAMED_MAX = 3;

const LEVELS = ['bad', 'warn', 'info'] as const;

export function attentionOf(
  status: StatusDocument,
  services: Readonly<Record<string, ServiceRow>>,
  nowMs: number,
): Readonly<Record<string, Attention>> {
  const found = [
    ...[status.registry, ...status.registries].flatMap(ofRegistry),
    ...status.upstreams.flatMap((upstream) => ofUpstream(upstream, nowMs)),
    ...status.gateways.flatMap(ofGateway),
    ...status.workers
      .filter(({ silentMs }) => silentMs > WORKER_SILENT_MS)
      .map(({ id, silentMs }) =>
        one('warn', 'worker_silent', `worker ${id}`, {
          text: `worker ${id} says nothing`,
          sinceMs: nowMs - silentMs,
        }),
      ),
    ...Object.entries(services).flatMap(([name, service]) => ofService(name, service, nowMs)),
  ];
  const sorted = found.toSorted((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level));
  return Object.fromEntries(sorted.map((each) => [`${each.code} ${each.subject}`, each]));
}

function ofRegistry(registry: StatusDocument['registry']): readonly Attention[] {
  const { name, kind, address, reachable, lastContactMs, trouble } = registry;
  // Servers in the configuration alone: nothing can be away.
  if (reachable || kind === 'none') return [];
  const text = `registry ${kind} ${address} does not answer: ${trouble}; traffic goes on with what was known last`;
  const detail = trouble;
  return [one('bad', 'registry_away', name, { text, detail, sinceMs: lastContactMs })];
}

function ofUpstream(upstream: UpstreamDocument, nowMs: number): readonly Attention[] {
  const { name, eligible, servers, problems } = upstream;
  const found: Attention[] = [];
  if (eligible === 0 && servers.length > 0) {
    const isTried = servers.some(({ eligibility }) => /^(?:ejected|panic)$/.test(eligibility));
    const text = isTried
      ? `${name}: all servers fail; requests are tried on them all the same`
      : `${name}: no server is eligible, so its requests are answered with 503`;
    found.push(one('bad', 'none_eligible', name, { text }));
  }
  const held = problems.find(({ server, key }) => server === '' && key === '');
  if (held !== undefined) {
    found.push(
      one('warn', 'list_held', name, { text: `${name}: ${held.message}`, detail: held.message }),
    );
  }
  const unread = problems.filter((problem) => problem !== held);
  if (unread.length > 0) {
    const detail = unread[0]?.message ?? '';
    const text = `${name}: ${unread.length} records cannot be used, the first one: ${detail}`;
    found.push(one('warn', 'records_unreadable', name, { text, detail, count: unread.length }));
  }
  const sick = servers.filter(({ eligibility }) =>
    /^(?:down|panic|ejected|unresolved)$/.test(eligibility),
  );
  if (sick.length > 0) {
    const text = `${name}: ${sick.length} of ${servers.length} servers fail or take no requests by themselves: ${names(sick)}`;
    found.push(one('warn', 'servers_out', name, { text, detail: names(sick), count: sick.length }));
  }
  const forgotten = servers.filter(
    ({ eligibility, admin }) =>
      /^(?:drain|maint)$/.test(eligibility) &&
      !isRecordOwner(admin.owner) &&
      nowMs - admin.sinceMs > LONG_MS,
  );
  if (forgotten.length > 0) {
    const sinceMs = Math.min(...forgotten.map(({ admin }) => admin.sinceMs));
    const text = `${name}: ${names(forgotten)} out for long`;
    found.push(
      one('info', 'out_for_long', name, {
        text,
        detail: names(forgotten),
        sinceMs,
        count: forgotten.length,
      }),
    );
  }
  const waiting = servers.filter(({ givenBack }) => givenBack);
  if (waiting.length > 0) {
    const text = `${name}: ${names(waiting)} given back, in force when the registry is there again`;
    found.push(one('warn', 'give_back_waits', name, { text, detail: names(waiting) }));
  }
  const resting = servers.filter((server) => server.resting !== '');
  if (resting.length > 0) {
    const text = `${name}: ${names(resting)} not started again: ${resting[0]?.resting}`;
    found.push(one('bad', 'not_restarted', name, { text, detail: names(resting) }));
  }
  return found;
}

function ofGateway({
  name,
  state,
  sinceMs,
  current,
}: StatusDocument['gateways'][number]): readonly Attention[] {
  if (state === 'silent') {
    const text = `gateway ${name} is silent: what it does is not known`;
    return [one('warn', 'gateway_silent', name, { text, sinceMs })];
  }
  if (current) return [];
  return [one('info', 'gateway_behind', name, { text: `gateway ${name} is behind` })];
}

function ofService(
  name: string,
  { running, last }: ServiceRow,
  nowMs: number,
): readonly Attention[] {
  if (running !== undefined) {
    const { release, version, step, sinceMs, stale, waits } = running;
    const of = { release, sinceMs };
    if (stale) {
      const text = `${name} ${release}: its runner is gone at ${step}; see "sluice resume ${name}"`;
      return [one('bad', 'release_without_runner', name, { ...of, text, detail: step })];
    }
    if (waits !== undefined) {
      const text = `${name} ${release} waits for an approval before ${waits.before}`;
      return [one('warn', 'release_waits', name, { ...of, text, detail: waits.before })];
    }
    const text = `${name}: release ${release} to ${version}, ${step}`;
    return [one('info', 'release_runs', name, { ...of, text, detail: step })];
  }
  if (last === undefined || last.outcome === 'succeeded' || nowMs - last.endedAtMs > NEWS_MS)
    return [];
  const text = `${name}: release ${last.release} to ${last.version} ${last.outcome}: ${last.reason}`;
  const { release, endedAtMs: sinceMs, reason: detail } = last;
  return [one('warn', 'release_failed', name, { text, detail, release, sinceMs })];
}

function one(
  level: Attention['level'],
  code: Attention['code'],
  subject: string,
  more: Omit<Attention, 'level' | 'code' | 'subject'>,
): Attention {
  return { level, code, subject, ...more };
}

function names(servers: readonly { readonly id: string }[]): string {
  const shown = servers.slice(0, NAMED_MAX).map(({ id }) => id);
  const more = servers.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}
