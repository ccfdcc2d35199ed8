// A release as lines of a log, for CI jobs and pipes: one line per event, UTC time, fields in a fixed
// order, no cursor codes, and after 10 s without an event a line that says what is waited for.
// Pure: event → line; the caller owns the clock.
//
//   12:04:09Z app r42 127.0.0.1:9001 drain    start  deadline=30s on_timeout=proceed
//   12:04:21Z app r42 127.0.0.1:9001 drain    done   12.1s cut=0

import { formatDuration } from '../../base/units.ts';
import type { ReleaseEvent } from '../../release.ts';

const HEARTBEAT_MS = 10_000;

/** The line of an event, '' for one that is not worth a line. The result has its own block. */
export function eventLine(event: ReleaseEvent): string {
  switch (event.type) {
    case 'plan': {
      const { plan } = event;
      const from = plan.from.join(',') || 'nothing';
      const released = plan.instances.filter(({ action }) => action === 'release').length;
      const instances = `${released}/${plan.instances.length}`;
      return line(
        event,
        '-',
        'plan',
        // A plan with problems is not carried out; the result says which.
        plan.problems.length === 0 ? 'done' : 'refused',
        fields({ from, to: plan.version, instances, need: plan.need }),
      );
    }
    case 'note':
      return line(event, event.instance || '-', 'note', '-', event.text);
    case 'step': {
      if (event.phase === 'wait') return '';
      const took = event.phase === 'start' ? '' : `${formatDuration(event.ms)} `;
      const step = event.revert ? `${event.step}*` : event.step;
      return line(event, event.instance, step, event.phase, `${took}${fields(event.data)}`);
    }
    case 'instance': {
      const text = event.text === '' ? '' : ` ${event.text}`;
      return line(
        event,
        event.instance,
        'instance',
        event.outcome,
        `${formatDuration(event.ms)}${text}`,
      );
    }
    case 'traffic':
    case 'result':
      return '';
  }
}

/** Remembers the step that runs, and says it again when no other line was written for a while. */
export class Heartbeat {
  #saidMs: number;
  #last: Extract<ReleaseEvent, { type: 'step' }> | null = null;
  #atMs = 0;

  constructor(nowMs: number) {
    this.#saidMs = nowMs;
  }

  saw(event: ReleaseEvent, nowMs: number): void {
    if (event.type === 'step') {
      this.#last = event.phase === 'start' || event.phase === 'wait' ? event : null;
      this.#atMs = nowMs;
    }
    if (eventLine(event) !== '') this.#saidMs = nowMs;
  }

  /** The line that is due now, or ''. */
  line(nowMs: number): string {
    const last = this.#last;
    if (last === null || nowMs - this.#saidMs < HEARTBEAT_MS) return '';
    this.#saidMs = nowMs;
    const ms = last.ms + nowMs - this.#atMs;
    const ts = new Date(Date.parse(last.ts) + nowMs - this.#atMs).toISOString();
    const text = `${formatDuration(ms)} ${fields(last.data)}`;
    return line(
      { ...last, ts },
      last.instance,
      last.revert ? `${last.step}*` : last.step,
      'wait',
      text,
    );
  }
}

function line(
  event: ReleaseEvent,
  instance: string,
  step: string,
  phase: string,
  text: string,
): string {
  const time = `${event.ts.slice(11, 19)}Z`;
  const words = [
    time,
    event.service,
    event.release,
    instance,
    step.padEnd(8),
    phase.padEnd(6),
    text,
  ];
  return words.join(' ').trimEnd();
}

/** `in_flight=1 last="200 in 4ms"`: quoted where a blank would split it. */
export function fields(data: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(data)
    .map(([name, value]) => {
      const text = String(value);
      return `${name}=${/[\s"=]/.test(text) || text === '' ? JSON.stringify(text) : text}`;
    })
    .join(' ');
}
