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
    case 'prepare': {
      if (event.phase === 'wait') return '';
      if (event.phase === 'output') return `  ${event.text}`;
      const took = event.phase === 'start' ? '' : formatDuration(event.ms);
      const words = [took, event.subject, event.text, fields(event.data)];
      return line(event, '-', event.part, event.phase, words.filter(Boolean).join(' '));
    }
    case 'note':
      return line(event, event.instance || '-', 'note', '-', event.text);
    case 'step': {
      if (event.phase === 'wait') return '';
      if (event.phase === 'output') return `  ${event.data['line']}`;
      const took = event.phase === 'start' ? '' : `${formatDuration(event.ms)} `;
      const step = event.revert ? `${event.step}*` : event.step;
      return line(event, event.instance, step, event.phase, `${took}${fields(event.data)}`);
    }
    case 'approval':
      return line(event, '-', event.type, event.phase, approvalText(event));
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

/** What is waited for and what a person has to do, or what came of it. */
export function approvalText(event: Extract<ReleaseEvent, { type: 'approval' }>): string {
  const { phase, before, until, by, why, reason, ms, service } = event;
  const took = formatDuration(ms);
  switch (phase) {
    case 'wait':
      return `${fields({ before, until })} next="sluice approve ${service}"`;
    case 'given':
      return `${took} ${fields({ before, by, ...(why === '' ? {} : { why }) })}`;
    case 'missing':
      return `${took} ${fields({ before, reason })}`;
  }
}

/** Remembers what is under way, and says it again when no other line was written for a while. */
export class Heartbeat {
  #saidMs: number;
  #step: Extract<ReleaseEvent, { type: 'step' | 'prepare' | 'approval' }> | null = null;
  #stepAtMs = 0;
  #event: ReleaseEvent | null = null;
  #atMs: number;

  constructor(nowMs: number) {
    this.#saidMs = nowMs;
    this.#atMs = nowMs;
  }

  saw(event: ReleaseEvent, nowMs: number): void {
    this.#event = event;
    this.#atMs = nowMs;
    // A line of a hook's output leaves the step as it is.
    const isLine = event.type === 'step' && event.phase === 'output';
    if (event.type === 'approval') {
      this.#stepAtMs = nowMs;
      this.#step = event.phase === 'wait' ? event : null;
    }
    if ((event.type === 'step' || event.type === 'prepare') && !isLine) {
      this.#stepAtMs = nowMs;
      this.#step = event.phase === 'done' || event.phase === 'failed' ? null : event;
    }
    if (eventLine(event) !== '') this.#saidMs = nowMs;
  }

  /** The line that is due now, or ''. */
  line(nowMs: number): string {
    if (nowMs - this.#saidMs < HEARTBEAT_MS || this.#event?.type === 'result') return '';
    this.#saidMs = nowMs;
    const sinceMs = nowMs - this.#atMs;
    const event = this.#event;
    if (event === null) {
      return `sluice: asks the instances and the gateway, for ${formatDuration(sinceMs)}`;
    }
    const ts = new Date(Date.parse(event.ts) + sinceMs).toISOString();
    const step = this.#step;
    if (step === null) {
      const text = `${formatDuration(sinceMs)} since the last step`;
      return line({ ...event, ts }, '-', 'release', 'wait', text);
    }
    const time = formatDuration(step.ms + nowMs - this.#stepAtMs);
    if (step.type === 'prepare') {
      const text = [time, step.subject, fields(step.data)].filter(Boolean).join(' ');
      return line({ ...step, ts }, '-', step.part, 'wait', text);
    }
    if (step.type === 'approval') {
      return line({ ...step, ts }, '-', step.type, 'wait', `${time} ${approvalText(step)}`);
    }
    const name = step.revert ? `${step.step}*` : step.step;
    return line({ ...step, ts }, step.instance, name, 'wait', `${time} ${fields(step.data)}`);
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
    event.release || '-',
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
