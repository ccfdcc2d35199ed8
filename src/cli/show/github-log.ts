// What GitHub Actions' runner reads in a log: groups, annotations and masks are lines that begin with
// `::`. Pure: event → lines. The value of a command is one line in which % and line ends are escaped; in
// its properties `:` and `,` are, too. Whatever comes from elsewhere (an app's log, a hook's output) must
// not be read as a command: see `inert`.
//
// One group per instance, and per thing that is done for all of them. The runner shows 10 annotations of each kind per step and drops the rest, so a
// failure is exactly one error, and notes beyond the first few are plain lines.

import { isPartial } from '../../base/scope.ts';
import type { ReleaseEvent, ReleaseReceipt, ReleaseResult } from '../../release.ts';
import { eventLine } from '../views/event-lines.ts';
import { headline, resultText } from '../views/result-view.ts';

const WARNINGS_MAX = 9;

export class GithubLog {
  #open = '';
  #warnings = 0;

  lines(event: ReleaseEvent): readonly string[] {
    if (event.type === 'note') {
      const where = event.instance === '' ? event.service : event.instance;
      return [...this.#close(), ...this.#warning(`${where}: ${event.release}`, event.text)];
    }
    const line = eventLine(event);
    if (line === '') return [];
    if (event.type === 'plan') return [inert(line)];
    if (event.type === 'prepare') return [...this.#group(event.part, event.service), inert(line)];
    if (event.type === 'approval' && event.phase === 'wait') {
      const text = `waits for approval until ${event.until}: sluice approve ${event.service} ${event.release}`;
      return [
        ...this.#close(),
        inert(line),
        command('notice', text, `${event.service}: ${event.release}`),
      ];
    }
    if (!('instance' in event)) return [...this.#close(), inert(line)];
    const lines = [...this.#group(event.instance, event.service), inert(line)];
    // `failed` is followed by what became of the instance. Groups are shown closed, so the end is said outside.
    if (event.type !== 'instance' || event.outcome === 'failed') return lines;
    return [
      ...lines,
      ...this.#close(),
      inert(`${mark(event.outcome)} ${event.instance} ${event.outcome}`),
    ];
  }

  result(result: ReleaseResult): readonly string[] {
    const block = resultText(result, (_, text) => text)
      .trimEnd()
      .split('\n')
      .map(inert);
    return [...this.#close(), ...block, ...this.#warningsOf(result), ...errorOf(result)];
  }

  error(message: string): readonly string[] {
    return [...this.#close(), command('error', message, 'sluice deploy')];
  }

  #group(name: string, service: string): readonly string[] {
    if (this.#open === name || name === '') return [];
    const closed = this.#close();
    this.#open = name;
    return [...closed, command('group', `${service} ${name}`)];
  }

  #close(): readonly string[] {
    if (this.#open === '') return [];
    this.#open = '';
    return ['::endgroup::'];
  }

  #warning(title: string, text: string): readonly string[] {
    this.#warnings += 1;
    if (this.#warnings > WARNINGS_MAX) return [inert(`warning: ${title}: ${text}`)];
    return [command('warning', text, title)];
  }

  /** A release that succeeded may have lost requests, or not know whether it did. */
  #warningsOf({ receipt, doubts, release, service }: ReleaseResult): readonly string[] {
    const texts = [...doubts, ...(receipt === null ? [] : trafficDoubts(receipt))];
    return texts.flatMap((text) => this.#warning(`${service}: ${release}`, text));
  }
}

function trafficDoubts({ cut, lost, complete, missing, scope }: ReleaseReceipt): readonly string[] {
  return [
    cut + lost > 0 ? `${lost} requests lost, ${cut} cut` : '',
    complete ? '' : `the count of requests is incomplete: ${missing}`,
    complete && isPartial(scope) ? 'the count of requests is not of all gateways' : '',
  ].filter(Boolean);
}

/** Value by value, so that the runner replaces each in all that is printed from then on. */
export function maskLines(secrets: ReadonlySet<string>): readonly string[] {
  const lines = [...secrets].flatMap((secret) => [secret, ...secret.split(/\r?\n/)]);
  return [...new Set(lines)].filter(Boolean).map((secret) => command('add-mask', secret));
}

/** `::error title=…::text` */
export function command(name: string, value: string, title = ''): string {
  const properties = title === '' ? '' : ` title=${escapedProperty(title)}`;
  return `::${name}${properties}::${escaped(value)}`;
}

/** The line as text: the runner takes `::` at the start of a line, and `##[` anywhere, for a command. */
export function inert(line: string): string {
  const shown = line.replaceAll(/[\x00-\x08\x0b-\x1f\x7f]/g, ' ').replaceAll('##[', '## [');
  return shown.replace(/^(\s*)::/, '$1: :');
}

function errorOf(result: ReleaseResult): readonly string[] {
  if (result.exit === 0) return [];
  const next = result.next.map((text) => `next: ${text}`);
  const text = [result.reason, ...next].filter(Boolean).join('\n');
  return [
    command(
      'error',
      text,
      headline(result, (_, word) => word),
    ),
  ];
}

function mark(outcome: string): string {
  return outcome === 'released' || outcome === 'stopped' || outcome === 'kept'
    ? '✔'
    : outcome === 'skipped'
      ? '-'
      : '✖';
}

function escaped(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapedProperty(text: string): string {
  return escaped(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
