// GitLab's sections: `section_start:UNIX_TIME:NAME[collapsed=true]\r\e[0KHEAD` and `section_end`. Whether an
// instance will fail is not known when its section begins, and a section cannot be opened later: so the
// first step that fails ends it and begins another one, which is open. Pure: event → lines.

import type { ReleaseEvent, ReleaseResult } from '../../release.ts';
import { visible } from '../output.ts';
import { eventLine } from '../views/event-lines.ts';
import { resultText } from '../views/result-view.ts';

const CLEAR = '\r\x1b[0K';

export class GitlabLog {
  #sections = 0;
  #open = { instance: '', name: '' };
  readonly #failed = new Set<string>();

  lines(event: ReleaseEvent, nowMs: number): readonly string[] {
    const line = visible(eventLine(event));
    if (line === '') return [];
    const instance =
      event.type === 'prepare' ? event.part : 'instance' in event ? event.instance : '';
    if (instance === '') return [...this.#end(nowMs), line];
    const isFailure =
      ((event.type === 'step' || event.type === 'prepare') && event.phase === 'failed') ||
      (event.type === 'instance' && FAILED.has(event.outcome));
    if (isFailure && !this.#failed.has(instance)) {
      this.#failed.add(instance);
      return [...this.#end(nowMs), ...this.#begin(instance, event.service, nowMs), line];
    }
    const begun =
      this.#open.instance === instance ? [] : this.#begin(instance, event.service, nowMs);
    const isEnd = event.type === 'instance' && event.outcome !== 'failed';
    return [...begun, line, ...(isEnd ? this.#end(nowMs) : [])];
  }

  result(result: ReleaseResult, nowMs: number): readonly string[] {
    const block = resultText(result, (_, text) => text)
      .trimEnd()
      .split('\n')
      .map(visible);
    return [...this.#end(nowMs), ...block];
  }

  #begin(instance: string, service: string, nowMs: number): readonly string[] {
    const ended = this.#end(nowMs);
    this.#sections += 1;
    const name = `sluice_${this.#sections}`;
    this.#open = { instance, name };
    const isFailed = this.#failed.has(instance);
    const options = isFailed ? '' : '[collapsed=true]';
    const head = `${service} ${instance}${isFailed ? ' FAILED' : ''}`;
    return [...ended, `section_start:${seconds(nowMs)}:${name}${options}${CLEAR}${head}`];
  }

  #end(nowMs: number): readonly string[] {
    const { name } = this.#open;
    if (name === '') return [];
    this.#open = { instance: '', name: '' };
    return [`section_end:${seconds(nowMs)}:${name}${CLEAR}`];
  }
}

const FAILED: ReadonlySet<string> = new Set(['failed', 'reverted', 'parked', 'stuck']);

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
