// The result of a release as a page in Markdown, for the summary of a CI job. Texts from elsewhere (the
// app's log, reasons) are shown as they are and never read as Markdown or HTML.

import { formatDuration } from '../../base/units.ts';
import type { ReleaseReceipt, ReleaseResult } from '../../release.ts';
import { headline } from '../views/result-view.ts';

export function summary(result: ReleaseResult): string {
  const blocks = [
    `### ${result.exit === 0 ? '✅' : '❌'} ${text(headline(result, (_, word) => word))}`,
    result.reason === '' ? '' : `**${text(result.reason)}**`,
    instances(result),
    traffic(result.receipt),
    result.doubts.map((doubt) => `- ⚠️ ${text(doubt)}`).join('\n'),
    result.next.map((next) => `- next: ${text(next)}`).join('\n'),
    result.evidence.length === 0 ? '' : fenced(result.evidence.join('\n')),
  ];
  return `${blocks.filter(Boolean).join('\n\n')}\n\n`;
}

function instances({ instances: all }: ReleaseResult): string {
  const rows = all.map(({ instance, version, stranger, pool, outcome, note }) => {
    const runs = stranger === '' ? version || 'nothing answers' : `port held by ${stranger}`;
    const end = note === '' ? outcome : `${outcome}: ${note}`;
    return `| ${[instance, runs, pool, end].map(text).join(' | ')} |`;
  });
  return ['| instance | runs | pool | outcome |', '|---|---|---|---|', ...rows].join('\n');
}

function traffic(receipt: ReleaseReceipt | null): string {
  if (receipt === null) return '';
  const { requests, answered, retried, cut, lost, longestGapMs, complete, missing } = receipt;
  const counts = [requests, answered, retried, cut, lost].map((count) =>
    count.toLocaleString('en'),
  );
  const cells = [...counts, formatDuration(longestGapMs)];
  return [
    '| requests in | answered | retried | cut | lost | longest gap |',
    '|--:|--:|--:|--:|--:|--:|',
    `| ${cells.join(' | ')} |`,
    ...(complete ? [] : ['', `**INCOMPLETE**: ${text(missing)}`]),
  ].join('\n');
}

/** One line in which no character has a meaning. */
function text(value: string): string {
  return value
    .replaceAll(/[\x00-\x1f\x7f]+/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll(/[\\`*_[\]{}|#~!@]/g, (sign) => `\\${sign}`);
}

/** A block that ends at a fence that is longer than any inside. */
function fenced(value: string): string {
  const longest = Math.max(2, ...[...value.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${value.replaceAll(/[\x00-\x08\x0b-\x1f\x7f]/g, ' ')}\n${fence}`;
}
