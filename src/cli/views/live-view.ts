// A release on a terminal: finished instances as lines that stay, below them a few lines that are
// redrawn in place. Pure: events are folded into a state, a state is rendered into lines; only
// LiveScreen writes, and it knows nothing of releases.

import { isPartial } from '../../base/scope.ts';
import { formatDuration } from '../../base/units.ts';
import type { Plan, ReleaseEvent } from '../../release.ts';
import { cut, type Paint } from '../output.ts';
import { approvalText, fields } from './event-lines.ts';

type StepEvent = Extract<ReleaseEvent, { type: 'step' }>;
type PrepareEvent = Extract<ReleaseEvent, { type: 'prepare' }>;
type ApprovalEvent = Extract<ReleaseEvent, { type: 'approval' }>;
type TrafficEvent = Extract<ReleaseEvent, { type: 'traffic' }>;

export type LiveState = {
  readonly plan: Plan | null;
  readonly startedMs: number;
  /** The step that runs, and when its last event came. */
  readonly step: StepEvent | null;
  readonly traffic: TrafficEvent | null;
  /** What is done for all instances together, while it runs. */
  readonly prepare: PrepareEvent | null;
  /** While a person is waited for. */
  readonly approval: ApprovalEvent | null;
  /** Instances that are finished with. */
  readonly settled: readonly string[];
};

export const NOTHING_YET: LiveState = {
  plan: null,
  startedMs: 0,
  step: null,
  traffic: null,
  prepare: null,
  approval: null,
  settled: [],
};

/** The state after an event, and the lines that stay above the table because of it. */
export function fold(
  state: LiveState,
  event: ReleaseEvent,
  paint: Paint,
): { readonly state: LiveState; readonly lines: readonly string[] } {
  switch (event.type) {
    case 'plan': {
      const { plan } = event;
      const from = plan.from.join(', ') || 'nothing running';
      const head = `${paint('bold', plan.service)} ${event.release}  ${from} -> ${plan.version}`;
      return { state: { ...state, plan, startedMs: Date.parse(event.ts) }, lines: [head] };
    }
    case 'prepare': {
      const output = event.phase === 'output' ? [`  ${paint('dim', event.text)}`] : [];
      if (event.phase !== 'done' && event.phase !== 'failed') {
        return { state: { ...state, prepare: event }, lines: output };
      }
      const took = formatDuration(event.ms);
      const words = [event.part, event.subject, took, event.text, fields(event.data)];
      const sign = event.phase === 'failed' ? paint('red', '✖') : paint('green', '✔');
      const text = `${sign} ${words.filter(Boolean).join('  ')}`;
      return { state: { ...state, prepare: null }, lines: [text] };
    }
    case 'approval': {
      if (event.phase === 'wait') return { state: { ...state, approval: event }, lines: [] };
      const sign = event.phase === 'given' ? paint('green', '✔') : paint('red', '✖');
      const text = `${sign} approval  ${approvalText(event)}`;
      return { state: { ...state, approval: null }, lines: [text] };
    }
    case 'note':
      return { state, lines: [`  ${paint('yellow', 'note')}  ${event.text}`] };
    case 'step': {
      if (event.phase !== 'output') return { state: { ...state, step: event }, lines: [] };
      return { state, lines: [`  ${paint('dim', String(event.data['line']))}`] };
    }
    case 'traffic':
      return { state: { ...state, traffic: event }, lines: [] };
    case 'instance': {
      const settled = [...state.settled, event.instance];
      const took = event.ms === 0 ? '' : formatDuration(event.ms).padStart(7);
      const words = [event.instance, event.outcome.padEnd(9), took, event.text];
      const text = `${mark(event.outcome, paint)} ${words.filter(Boolean).join('  ')}`;
      return { state: { ...state, step: null, settled }, lines: [text] };
    }
    case 'result':
      return { state: { ...state, step: null, plan: null }, lines: [] };
  }
}

/** The lines that change, none longer than `width`. */
export function liveLines(state: LiveState, nowMs: number, width: number, paint: Paint): string[] {
  const { plan, step, traffic, prepare, approval } = state;
  const lines: string[] = [];
  if (prepare !== null) {
    const time = seconds(prepare.ms + Math.max(0, nowMs - Date.parse(prepare.ts))).padStart(7);
    const row = `${prepare.part.padEnd(8)}  ${time}  ${prepare.subject}  ${fields(prepare.data)}`;
    lines.push(`${paint('yellow', '◐')} ${cut(row.trimEnd(), width - 2)}`);
  }
  if (plan === null) return lines;
  if (approval !== null) {
    const time = seconds(approval.ms + Math.max(0, nowMs - Date.parse(approval.ts))).padStart(7);
    // A wait that lasts is no use to who does not know what to do.
    const row = `approval  ${time}  sluice approve ${approval.service}  ${fields({ before: approval.before, until: approval.until })}`;
    lines.push(`${paint('yellow', '◐')} ${cut(row, width - 2)}`);
  }
  if (step !== null) {
    const sinceMs = step.ms + Math.max(0, nowMs - Date.parse(step.ts));
    const name = `${step.revert ? 'revert: ' : ''}${step.step}`.padEnd(9);
    const time = seconds(step.phase === 'done' ? step.ms : sinceMs).padStart(7);
    const row = `${step.instance}  ${name}  ${time}  ${fields(step.data)}`;
    lines.push(`${paint('yellow', '◐')} ${cut(row, width - 2)}`);
  }
  const waiting = plan.instances
    .filter(({ action }) => action === 'release' || action === 'retire')
    .map((instance) => instance.instance)
    .filter((id) => id !== step?.instance && !state.settled.includes(id));
  if (waiting.length > 0) lines.push(cut(`  waiting  ${waiting.join(', ')}`, width));
  const pool =
    traffic === null
      ? ''
      : `pool ${traffic.eligible}/${traffic.servers} eligible (need ${plan.need})   `;
  // What a release is about comes first: a narrow terminal cuts the end.
  const requests =
    traffic === null
      ? ''
      : `   ${traffic.lost} lost  ${traffic.cut} cut  ${traffic.retried} retried  ${traffic.requests.toLocaleString('en')} requests${isPartial(traffic.scope) ? ' (not all gateways)' : ''}`;
  const total = `release ${seconds(nowMs - state.startedMs)}`;
  lines.push(cut(`  ${pool}${total}${requests}`, width));
  return lines;
}

/** Redraws its lines in place; lines that stay scroll up above them. */
export class LiveScreen {
  readonly #write: (text: string) => void;
  #height = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  draw(stay: readonly string[], live: readonly string[]): void {
    // Up to the first line of the last drawing, then clear everything below.
    const back = this.#height > 0 ? `\x1b[${this.#height}A\x1b[J` : '';
    this.#height = live.length;
    const lines = [...stay, ...live].map((line) => `${line}\n`).join('');
    if (back !== '' || lines !== '') this.#write(back + lines);
  }
}

function mark(
  outcome: Extract<ReleaseEvent, { type: 'instance' }>['outcome'],
  paint: Paint,
): string {
  switch (outcome) {
    case 'released':
    case 'stopped':
    case 'retired':
    case 'kept':
      return paint('green', '✔');
    case 'reverted':
      return paint('yellow', '↩');
    case 'skipped':
    case 'untouched':
      return paint('dim', '–');
    case 'failed':
    case 'parked':
    case 'stuck':
      return paint('red', '✖');
  }
}

/** A steady width while it counts; minutes from 60 s on. */
function seconds(ms: number): string {
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)}s` : formatDuration(ms);
}
