// The last block of a release: who serves what, why it ended so, what became of the traffic, what to
// do next. Pure: result → string.

import { isPartial, seenBy } from '../../base/scope.ts';
import { formatDuration } from '../../base/units.ts';
import {
  type InstanceResult,
  type ReleaseReceipt,
  type ReleaseResult,
  versionsServing,
} from '../../release.ts';
import { type Paint, table } from '../output.ts';

export function resultText(result: ReleaseResult, paint: Paint): string {
  const blocks = [
    ...failureLines(result, paint),
    `${headline(result, paint)}`,
    ...table(result.instances.map((instance) => instanceRow(instance, result.reason))).map(
      (row) => `  ${row}`,
    ),
    ...mixedLines(result, paint),
    ...result.doubts.map(
      (text, index) => `  ${index === 0 ? paint('red', 'doubt') : '     '}     ${text}`,
    ),
    ...trafficLines(result.receipt, paint),
    ...gatewayLines(result, paint),
    ...result.next.map((text, index) => `  ${index === 0 ? 'next' : '    '}      ${text}`),
  ];
  return `${blocks.join('\n')}\n`;
}

/** `Release r42 of app to v2 FAILED after 3s (exit 1)` */
export function headline(result: ReleaseResult, paint: Paint): string {
  const name = resultName(result);
  const took = formatDuration(result.ms);
  switch (result.outcome) {
    case 'succeeded':
      return result.doubts.length === 0
        ? `${name} ${paint('green', 'SUCCEEDED')} in ${took}`
        : `${name} ${paint('yellow', 'SUCCEEDED')} in ${took}, ${paint('red', `BUT ${result.doubts.length} of ${result.instances.length} INSTANCES ANSWER WITH ERRORS`)}`;
    case 'unchanged':
      return result.kind === 'rollback'
        ? `${name}: nothing to do, that version serves already; for an older one: --to VERSION (see "sluice history ${result.service}")`
        : `${name}: nothing to do`;
    case 'refused':
      return `${name} ${paint('red', 'REFUSED')}, nothing was changed (exit ${result.exit})`;
    case 'rolled_back':
      return `${name} ${paint('red', 'FAILED')} after ${took}, all is back at the old version (exit ${result.exit})`;
    case 'aborted':
      return `${name} ${paint('yellow', 'ABORTED')} after ${took} (exit ${result.exit})`;
    case 'interrupted':
      return `${name} ${paint('yellow', 'INTERRUPTED')} after ${took} (exit ${result.exit})`;
    case 'failed':
      return `${name} ${paint('red', 'FAILED')} after ${took} (exit ${result.exit})`;
  }
}

function resultName({ kind, release, service, version }: ReleaseResult): string {
  switch (kind) {
    case 'deploy':
      // Of one that ended before the artifact was there, nobody knows what it was to be.
      return `Release ${release} of ${service}${version === '' ? '' : ` to ${version}`}`;
    case 'rollback':
      return `Rollback ${release} of ${service} to ${version}`;
    case 'stop':
      return `Stop ${release} of ${service}`;
  }
}

function failureLines(result: ReleaseResult, paint: Paint): readonly string[] {
  if (result.reason === '') return [''];
  return [
    '',
    `${paint('red', '✖')} ${result.reason}`,
    ...result.evidence.map((line) => `    ${line}`),
    '',
  ];
}

function instanceRow(instance: InstanceResult, reason: string): readonly string[] {
  const { version, stranger } = instance;
  const nobody = stranger === '' ? 'nothing answers' : `port held by ${stranger}`;
  const runs = version === '' ? nobody : version;
  return [instance.instance, runs, instance.pool, outcomeText(instance, reason)];
}

/** That it ended with two versions beside each other. */
function mixedLines({ exit, instances }: ReleaseResult, paint: Paint): readonly string[] {
  const versions = [...versionsServing(instances)];
  if (exit === 0 || versions.length < 2) return [];
  const text = versions.map(([version, count]) => `${version} on ${count}`).join(', ');
  return [`  ${paint('red', 'mixed')}     ${text}`];
}

/** With its note, unless the same text stands above the table as the reason. */
function outcomeText({ outcome, note }: InstanceResult, reason: string): string {
  const words = {
    released: 'released',
    stopped: 'stopped',
    kept: 'kept',
    skipped: 'skipped',
    failed: 'failed',
    reverted: 'reverted',
    parked: 'parked',
    stuck: 'LEFT HALF-WAY',
    retired: 'retired',
    untouched: 'not touched',
  } as const;
  return note === '' || note === reason ? words[outcome] : `${words[outcome]}: ${note}`;
}

/** The receipt. Lost and cut requests stand out: a release must have none. */
function trafficLines(receipt: ReleaseReceipt | null, paint: Paint): readonly string[] {
  if (receipt === null) return [];
  const { requests, answered, retried, cut, lost, clientGone, stillInFlight } = receipt;
  // Zeros that were never counted must not look like a clean release.
  const missing = receipt.complete
    ? []
    : [`            ${paint('yellow', 'INCOMPLETE')}: ${receipt.missing}`];
  if (requests + answered + cut + lost + stillInFlight + receipt.tunnels.opened === 0) {
    return ['  traffic   none came in', ...missing];
  }
  const bad = (text: string, number: number): string =>
    number > 0 ? paint('red', `${amount(number)} ${text.toUpperCase()}`) : `0 ${text}`;
  const rest = [
    clientGone > 0 ? `${amount(clientGone)} left by their clients` : '',
    stillInFlight > 0
      ? `${amount(stillInFlight)} in flight ${receipt.complete ? 'now' : 'then'}`
      : '',
  ].filter(Boolean);
  const total = [
    `${amount(requests)} requests in`,
    `${amount(answered)} answered${classes(receipt.answers, paint)}`,
    `${amount(retried)} retried`,
    bad('cut', cut),
    bad('lost', lost),
    ...rest,
  ].join(', ');
  const gap = `longest gap ${formatDuration(receipt.longestGapMs)}`;
  const rows = receipt.servers.map((server) => [
    `            ${server.id}`,
    `${amount(server.attempts)} sent`,
    `${amount(server.answered)} answered${classes(server.answers, paint)}`,
    `${amount(server.retried)} retried`,
    bad('cut', server.cut),
    bad('lost', server.lost),
    ...serverNotes(server, paint),
  ]);
  // One gateway needs no line of its own: it is the sum.
  const gateways =
    receipt.gateways.length < 2
      ? []
      : receipt.gateways.map((part) => [
          `            ${part.name}`,
          `${amount(part.requests)} requests`,
          `${amount(part.answered)} answered`,
          `${amount(part.retried)} retried`,
          bad('cut', part.cut),
          bad('lost', part.lost),
          part.missing === '' ? '' : paint('yellow', part.missing),
        ]);
  const tunnels = [
    lastingText('tunnel', receipt.tunnels, paint),
    lastingText('stream', receipt.streams, paint),
  ].flatMap((text) => (text === '' ? [] : [`            ${text}`]));
  return [
    `  traffic   ${total}; ${gap}`,
    ...tunnels,
    ...missing,
    ...table(gateways),
    ...table(rows),
  ];
}

/** ` (990 2xx, 10 5XX)`; '' when all are 2xx. Answers of a broken version are answers, too. */
function classes(answers: ReleaseReceipt['answers'], paint: Paint): string {
  const counted = Object.entries(answers).filter(([, count]) => count > 0);
  if (counted.every(([name]) => name === '2xx')) return '';
  const words = counted.map(([name, count]) => {
    const text = `${amount(count)} ${name}`;
    return name === '5xx' ? paint('red', text.toUpperCase()) : text;
  });
  return ` (${words.join(', ')})`;
}

type ServerReceipt = ReleaseReceipt['servers'][number];

function serverNotes(server: ServerReceipt, paint: Paint): readonly string[] {
  const { answered, retried, cut, lost, clientGone, tunnels, streams } = server;
  const notes = [
    clientGone > 0 ? `${amount(clientGone)} left by their clients` : '',
    lastingText('tunnel', tunnels, paint),
    lastingText('stream', streams, paint),
    // What was in flight when the receipt was opened is counted where it ends.
    answered + retried + cut + lost + clientGone > server.attempts ? '(some sent before)' : '',
  ].filter(Boolean);
  return notes.length === 0 ? [] : [notes.join(', ')];
}

/** The requests of tunnels are among those that were answered, streams are requests. '' for none. */
function lastingText(
  noun: 'tunnel' | 'stream',
  counts: ReleaseReceipt['tunnels'],
  paint: Paint,
): string {
  const { opened, ended, closed, cut, open } = counts;
  if (opened === 0) return '';
  const cutText = cut > 0 ? paint('red', `${amount(cut)} CUT`) : '0 cut';
  const closedText = closed > 0 ? `${amount(closed)} closed by the gateway, ` : '';
  return `${amount(opened)} ${opened === 1 ? noun : `${noun}s`}: ${amount(ended)} ended, ${closedText}${cutText}, ${amount(open)} open`;
}

/** Which gateway all of this is about. Said without a receipt only where there may be others. */
function gatewayLines({ scope, receipt }: ReleaseResult, paint: Paint): readonly string[] {
  if (scope === null || (receipt === null && !isPartial(scope))) return [];
  return [`  ${isPartial(scope) ? paint('yellow', 'gateway') : 'gateway'}   ${seenBy(scope)}`];
}

function amount(number: number): string {
  return number.toLocaleString('en');
}
