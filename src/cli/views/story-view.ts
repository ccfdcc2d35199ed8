// The stories of requests as text: a row each, or one told in words. Pure.

import type { RequestsDocument, StoryDocument } from '../../admin/contract.ts';
import { formatDuration } from '../../base/units.ts';
import { table, visible } from '../output.ts';
import type { ViewOptions } from './status-view.ts';

type Attempt = StoryDocument['attempts'][number];
type ServerThen = Pick<Attempt, 'server' | 'stateThen' | 'version' | 'owner'>;

const CELL_LENGTH_MAX = 60;

export function storiesView(document: RequestsDocument, { paint, width }: ViewOptions): string {
  const { requests, leftOut, sampling } = document;
  if (requests.length === 0) return `no request is kept; kept are: ${sampling}`;
  const rows = requests.map((story) => [
    visible(story.id),
    new Date(story.timeMs).toISOString().slice(11, 23),
    story.kind,
    story.status,
    formatDuration(story.durationMs),
    visible(story.upstream) || '-',
    short(requestOf(story)),
    whyOf(story),
  ]);
  const head = ['ID', 'TIME (UTC)', 'KIND', 'STATUS', 'TOOK', 'UPSTREAM', 'REQUEST', 'WHY'];
  const [title = '', ...body] = table([head, ...rows], width);
  const lines = body.map((line, at) =>
    requests[at]?.kind === 'failed' ? paint('red', line) : line,
  );
  const more =
    leftOut === 0 ? [] : [paint('dim', `${leftOut} more of these kinds were only counted`)];
  return [paint('dim', title), ...lines, ...more].join('\n');
}

export function storyView(story: StoryDocument, { nowMs, paint }: ViewOptions): string {
  const { status, madeBy, upstream, attempts, pool, waitMs, detail } = story;
  const answer = status === 0 ? 'no answer' : `${status} from the ${madeBy || 'gateway'}`;
  const title = `${visible(requestOf(story))}  ${paint(story.kind === 'failed' ? 'red' : 'green', answer)}`;
  const began = new Date(story.timeMs).toISOString();
  const ago = formatDuration(Math.max(0, nowMs - story.timeMs));
  const where = upstream === '' ? 'to no upstream' : `to upstream ${visible(upstream)}`;
  const rows: [string, string][] = [
    ['id', idsOf(story)],
    ['when', `${began}, ${ago} ago`],
    ['client', `${visible(story.client)}, by ${visible(story.listener)}`],
    ['route', story.route === '' ? `none, ${where}` : `${visible(story.route)}, ${where}`],
    ['kept', KINDS[story.kind] ?? visible(story.kind)],
  ];
  for (const [at, attempt] of attempts.entries()) {
    const isGap = at === Math.floor(attempts.length / 2) && story.attemptsLeftOut > 0;
    if (isGap) rows.push(['…', `${story.attemptsLeftOut} more attempts`]);
    rows.push([
      `try ${isGap || !story.attemptsLeftOut ? at + 1 : ''}`.trim(),
      attemptText(attempt),
    ]);
  }
  if (story.notRetried !== '') rows.push(['no more', visible(story.notRetried)]);
  if (attempts.length === 0 && upstream !== '') rows.push(['tried', 'no server']);
  const wait = waitMs === null ? '' : `first byte of the answer after ${formatDuration(waitMs)}, `;
  rows.push(['took', `${wait}${formatDuration(story.durationMs)} in all`]);
  rows.push(['bytes', `${story.bytesIn} of the request's body, ${story.bytesOut} of the answer's`]);
  if (story.closedBy !== '') rows.push(['closed', `by the ${visible(story.closedBy)}`]);
  if (story.reason !== '' || detail !== '') {
    rows.push(['why', [visible(story.reason), visible(detail)].filter(Boolean).join(': ')]);
  }
  for (const server of pool) rows.push(['then', serverText(server)]);
  rows.push(['seen by', `${visible(story.gateway)}, worker ${story.worker}`]);
  const lines = rows.map(([name, text]) => `  ${paint('dim', name.padEnd(8))}${text}`);
  return [title, ...lines, ''].join('\n');
}

const KINDS: Readonly<Record<string, string>> = {
  failed: 'because it failed',
  retried: 'because another attempt was needed',
  slow: 'as one of the longest waits of its minute',
  sampled: 'as an ordinary one, to compare with',
};

/** `127.0.0.1:9001 (v41, drain by release:app/r7): refused the connection after 0.3ms; another was tried`. */
function attemptText(attempt: Attempt): string {
  const { connectMs, headMs, status, failure, retried, tookMs, startMs } = attempt;
  const parts: string[] = [];
  if (connectMs !== null) parts.push(`connected in ${formatDuration(connectMs)}`);
  if (headMs !== null) parts.push(`answered ${status} after ${formatDuration(headMs)}`);
  if (failure !== '') parts.push(`${visible(failure)} after ${formatDuration(tookMs)}`);
  if (retried) parts.push('another attempt followed');
  const begin = startMs >= 1 ? `at ${formatDuration(startMs)}: ` : '';
  return `${begin}${serverText(attempt)}: ${parts.join('; ') || 'nothing came'}`;
}

function serverText({ server, stateThen, version, owner }: ServerThen): string {
  const by = owner === '' ? '' : ` by ${visible(owner)}`;
  const facts = [visible(version), `${stateThen}${by} then`].filter(Boolean).join(', ');
  return `${visible(server)} (${facts})`;
}

function idsOf({ id, clientId, traceId }: StoryDocument): string {
  const client = clientId === '' || clientId === id ? '' : `, the client's ${visible(clientId)}`;
  return `${visible(id)}${client}${traceId === '' ? '' : `, trace ${visible(traceId)}`}`;
}

function requestOf({ method, host, path }: StoryDocument): string {
  return method === '' ? 'no valid head' : `${method} ${host}${path}`;
}

function whyOf({ kind, reason, detail, attempts, waitMs }: StoryDocument): string {
  if (reason !== '') return visible(detail === '' ? reason : detail);
  if (kind === 'slow') return `waited ${formatDuration(waitMs ?? 0)}`;
  const [first] = attempts;
  return kind === 'retried' ? visible(first?.failure ?? '') : '';
}

function short(text: string): string {
  const shown = visible(text);
  return shown.length > CELL_LENGTH_MAX ? `${shown.slice(0, CELL_LENGTH_MAX - 1)}…` : shown;
}
