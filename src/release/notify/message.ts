// What is said of a release to those outside: one document for programs, one text for people. Neither
// holds a secret; both are made when something is told and not changed after that.

import { formatDuration } from '../../base/units.ts';
import type { ApprovalPoint, ReceiverConfig } from '../../config.ts';
import type { ReleaseResult } from '../events.ts';

export type NotifyEvent = ReceiverConfig['on'][number];

/** The body of a `webhook`. */
export type Message = {
  /** The version of this format; it changes as that of the events does. */
  readonly v: 1;
  readonly event: NotifyEvent;
  readonly ts: string;
  readonly service: string;
  readonly release: string;
  readonly version: string;
  /** Versions that ran before. */
  readonly from: readonly string[];
  /** The CI job that runs it; '' when none does. */
  readonly job: string;
  /** Null while it runs. */
  readonly result: ReleaseResult | null;
  /** What it waits for a person for; null when it does not. */
  readonly approval: { readonly before: ApprovalPoint; readonly until: string } | null;
};

const MARKS: Readonly<Record<NotifyEvent, string>> = {
  ...{ started: '▶', paused: '⏸', approval: '✋', succeeded: '✅', unchanged: '✅', failed: '❌' },
  ...{ refused: '⛔', interrupted: '⚠️' },
};

/** The shortest limit of the receivers is 4096 bytes. */
const TEXT_BYTES_MAX = 4000;

export function titleOf({ event, service, release, version }: Message): string {
  const what = event === 'approval' ? 'waits for approval' : event;
  return `${MARKS[event]} Sluice: ${inert(service)} ${release} to ${inert(version)} ${what}`;
}

/** Lines for a chat: the title, why, who serves what, the traffic, what to do. */
export function textOf(message: Message): readonly string[] {
  const { result, job, from } = message;
  const title = titleOf(message);
  const jobLine = job === '' ? [] : [job];
  if (result === null) {
    const old = `from ${inert(from.join(', ')) || 'nothing'}`;
    return [title, old, ...jobLine, ...approvalLines(message)];
  }
  const { reason, instances, receipt, doubts, next, ms } = result;
  const rows = instances.map(({ instance, version, pool, outcome }) =>
    inert(`${instance}: ${version || 'nothing answers'}, ${pool}, ${outcome}`),
  );
  const traffic =
    receipt === null
      ? []
      : [
          `${receipt.requests} requests, ${receipt.lost} lost, ${receipt.cut} cut${receipt.complete ? '' : ' (INCOMPLETE)'}`,
        ];
  return cut([
    `${title} after ${formatDuration(ms)}`,
    ...(reason === '' ? [] : [inert(reason)]),
    ...doubts.map((text) => `doubt: ${inert(text)}`),
    ...jobLine,
    ...traffic,
    ...next.map((text) => `next: ${inert(text)}`),
    ...rows,
  ]);
}

function approvalLines({ approval, service, release }: Message): readonly string[] {
  if (approval === null) return [];
  const { before, until } = approval;
  const name = inert(service);
  return [
    `before the ${before === 'first' ? 'first instance' : 'rest of the instances'}, until ${until}`,
    `next: sluice approve ${name} ${release}`,
    `or: sluice abort ${name}`,
  ];
}

/** A link to the job, from what the CI systems say of themselves. */
export function jobOf(environment: Readonly<Record<string, string | undefined>>): string {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = environment;
  const run = environment['GITHUB_RUN_ID'];
  const link = server && repository && run ? `${server}/${repository}/actions/runs/${run}` : '';
  // GitLab; Jenkins and others that are alike.
  const other = environment['CI_JOB_URL'] ?? environment['BUILD_URL'] ?? '';
  const url = link === '' ? other : link;
  return /^https?:\/\/[^\s<>]+$/.test(url) ? url : '';
}

/** One line that calls nobody and links to nothing: `<at user_id="all">`, `<!channel>`. */
function inert(text: string): string {
  return text
    .replaceAll(/[\x00-\x1f\x7f]+/g, ' ')
    .replaceAll('<', '‹')
    .replaceAll('>', '›');
}

function cut(lines: readonly string[]): readonly string[] {
  const kept: string[] = [];
  let bytes = 0;
  for (const line of lines) {
    const left = TEXT_BYTES_MAX - bytes;
    if (Buffer.byteLength(line) + 4 > left) {
      const rest = Buffer.from(line)
        .subarray(0, Math.max(0, left - 8))
        .toString('utf8');
      return [...kept, `${rest.replace(/\uFFFD+$/, '')}…`];
    }
    kept.push(line);
    bytes += Buffer.byteLength(line) + 4;
  }
  return kept;
}
