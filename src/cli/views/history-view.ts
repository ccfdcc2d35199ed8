// The releases of a service, and the journal of one, as text. Pure.

import type { ReleaseRecord } from '../../admin/contract.ts';
import { formatDuration } from '../../base/units.ts';
import type { PastRelease } from '../../release.ts';
import { type Paint, table, visible } from '../output.ts';
import type { ViewOptions } from './status-view.ts';

/** Of a field in a line. */
const FACT_LENGTH_MAX = 200;

export function historyView(
  service: string,
  past: readonly PastRelease[],
  { nowMs, paint, width }: ViewOptions,
): string {
  if (past.length === 0) return `${service}: no release is known`;
  const rows = past.map((release) => [
    release.id,
    release.kind === 'stop' ? '-' : visible(release.version),
    outcomeOf(release),
    stamp(release.beganAtMs),
    release.tookMs > 0
      ? formatDuration(release.tookMs)
      : release.over
        ? '-'
        : formatDuration(Math.max(0, nowMs - release.beganAtMs)),
    whatOf(release, service),
  ]);
  const head = ['RELEASE', 'VERSION', 'OUTCOME', 'BEGAN', 'TOOK', 'WHAT'];
  const [title = '', ...body] = table([head, ...rows], width);
  const lines = body.map((line, at) => paint(colourOf(past[at]), line));
  return [paint('dim', title), ...lines].join('\n');
}

export function journalView(
  service: string,
  release: PastRelease,
  records: readonly ReleaseRecord[],
  paint: Paint,
): string {
  const { id, version, reason } = release;
  const to = release.kind === 'stop' ? '' : ` to ${visible(version)}`;
  const head = `${id} of ${service}${to}: ${outcomeOf(release)}, ${whatOf(release, service)}`;
  const lines = table(
    records
      .filter(({ kind }) => kind !== 'plan')
      .map(({ ts, kind, instance, step, data }) => [
        ts.slice(0, 19).replace('T', ' '),
        instance === '' ? '-' : instance,
        step === '' ? '-' : step,
        kind,
        factsOf(kind, data),
      ]),
  );
  const why = reason === '' ? [] : [paint('red', visible(reason))];
  return [head, ...why, ...lines].join('\n');
}

/** `deploy by ann`, `rollback of r7 by ann: checkout fails`. */
function whatOf(
  { id, kind, of, user, why, waits, over, outcome }: PastRelease,
  service: string,
): string {
  const what = of === '' ? kind : `${kind} of ${of}`;
  const who = `${what} by ${visible(user)}${why === '' ? '' : `: ${visible(why)}`}`;
  if (waits === null || over || outcome !== '') return who;
  const times = `since ${time(waits.sinceMs)}, until ${time(waits.untilMs)}`;
  return `${who}; ${times}: sluice approve ${service} ${id}`;
}

function outcomeOf({ outcome, over, lastStep, waits }: PastRelease): string {
  if (outcome !== '') return outcome;
  if (waits !== null && !over) return 'waiting for approval';
  const at = lastStep === '' ? '' : ` in ${visible(lastStep)}`;
  return `${over ? 'died' : 'running'}${at}`;
}

function colourOf(release: PastRelease | undefined) {
  if (release === undefined || release.outcome === 'unchanged') return 'dim';
  if (release.outcome === 'succeeded') return 'green';
  return release.outcome === '' && !release.over ? 'yellow' : 'red';
}

/** What is nested, as settings and receipts, is for --json. */
function factsOf(kind: string, data: ReleaseRecord['data']): string {
  if (kind === 'begin' || kind === 'resume') return `${data['user']}, pid ${data['pid']}`;
  return Object.entries(data)
    .filter(([, value]) => typeof value !== 'object' && value !== '' && value !== false)
    .map(([name, value]) => `${name}=${visible(String(value)).slice(0, FACT_LENGTH_MAX)}`)
    .join(' ');
}

/** `12:04:09Z` */
function time(ms: number): string {
  return `${new Date(ms).toISOString().slice(11, 19)}Z`;
}

function stamp(ms: number): string {
  return ms === 0 ? '-' : `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}
