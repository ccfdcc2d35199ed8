// A lane per instance, a bar per step, on the time axis of the graphs above it. What a bar is can be seen by its
// colour, its word and its pattern; for those who see none of it the steps are a list.

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { duration, timeOfDay } from '../../parts/time.tsx';
import type { Bar, Lane } from './story.ts';
import { releaseText, told } from './text.ts';

export type GanttProps = {
  readonly lanes: readonly Lane[];
  readonly fromMs: number;
  readonly toMs: number;
  /** Where bars that run end. */
  readonly nowMs: number;
  readonly target: string;
  readonly focus: string;
  readonly onFocus: (instance: string) => void;
};

/** The shapes of steps that look alike. */
const KINDS: Readonly<Record<string, string>> = {
  guard: 'drain',
  drain: 'drain',
  before_stop: 'drain',
  start: 'start',
  activate: 'start',
  check: 'check',
  after_start: 'check',
  register: 'admit',
  admit: 'admit',
  verify: 'verify',
  approval: 'wait',
  pause: 'wait',
};
/** Steps are called as the CLI calls them. */
const LEGEND = 'drain stop start check admit verify failed revert lost'.split(' ');
const HEIGHT = 22;
/** Of a letter and of what is around a word, px. */
const [LETTER, MARGIN] = [6.6, 10];

export function kindOf({ step, state }: Pick<Bar, 'step' | 'state'>): string {
  return state === 'failed' ? 'failed' : (KINDS[step] ?? 'stop');
}

export function Gantt({ lanes, focus, onFocus, target, ...axis }: GanttProps) {
  const text = releaseText();
  const host = useRef<HTMLOListElement>(null);
  const [width, setWidth] = useState(800);
  useLayoutEffect(() => {
    const element = host.current;
    if (element === null) return;
    const watch = new ResizeObserver(() => setWidth(element.clientWidth - 58));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return (
    <ol class="gantt" ref={host}>
      {lanes.map((lane) => (
        <li key={lane.instance} class={`lane lane-${lane.outcome}`}>
          <div class="lane-head">
            <button
              type="button"
              class="link-button any"
              aria-pressed={lane.instance === focus}
              onClick={() => onFocus(lane.instance)}
            >
              {lane.instance}
            </button>
            <span class="muted any">
              {lane.from === '' ? '–' : lane.from} → {target}
            </span>
            <span class="lane-outcome">{told(text.lanes, lane.outcome)}</span>
            <span class="muted any">{lane.note || lane.why}</span>
          </div>
          <Track bars={lane.bars} width={width} {...axis} />
        </li>
      ))}
    </ol>
  );
}

export function Track({
  bars,
  width,
  fromMs,
  toMs,
  nowMs,
}: {
  readonly bars: readonly Bar[];
  readonly width: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly nowMs: number;
}) {
  const text = releaseText();
  const all = Math.max(1, toMs - fromMs);
  const placed = bars.map((bar) => {
    const endMs = Math.max(bar.fromMs, Math.min(bar.toMs, nowMs));
    const word = `${bar.state === 'failed' ? '✕ ' : ''}${bar.revert ? '↩ ' : ''}${bar.step}`;
    const took = duration(endMs - bar.fromMs);
    const pixels = (width * (endMs - bar.fromMs)) / all;
    const label = [`${word} ${took}`, word].find((one) => one.length * LETTER + MARGIN < pixels);
    return { bar, endMs, took, label };
  });
  return (
    <>
      <svg class="track" width="100%" height={HEIGHT} aria-hidden="true">
        <line x1="0" x2="100%" y1={HEIGHT / 2} y2={HEIGHT / 2} class="track-line" />
        {placed.map(({ bar, endMs, took, label = '' }) => (
          <svg
            key={bar.fromMs}
            x={`${(100 * (bar.fromMs - fromMs)) / all}%`}
            width={`${Math.max(bar.state === 'lost' ? 1.2 : 0.25, (100 * (endMs - bar.fromMs)) / all)}%`}
            height={HEIGHT}
            class={`gantt-bar gantt-${kindOf(bar)} gantt-${bar.state}`}
          >
            <title>{`${bar.step} ${told(text.states, bar.state)} ${took}\n${timeOfDay(bar.fromMs)} ${bar.revert ? text.revert : ''}\n${bar.facts}`}</title>
            <rect width="100%" height={HEIGHT} />
            {bar.revert || bar.state === 'lost' ? (
              <rect width="100%" height={HEIGHT} class="gantt-hatch" fill="url(#hatch)" />
            ) : null}
            <text x="5" y="15">
              {label}
            </text>
          </svg>
        ))}
      </svg>
      <ul class="unseen">
        {placed.map(({ bar, took }) => (
          <li key={bar.fromMs}>
            {bar.step} {told(text.states, bar.state)} {bar.state === 'running' ? '' : took}{' '}
            {bar.revert ? text.revert : ''}
          </li>
        ))}
      </ul>
    </>
  );
}

/** Patterns that the bars use, and what they mean. */
export function Legend() {
  const text = releaseText();
  return (
    <p class="gantt-legend muted">
      <svg width="0" height="0" aria-hidden="true">
        <pattern
          id="hatch"
          width="7"
          height="7"
          patternUnits="userSpaceOnUse"
          patternTransform="rotate(45)"
        >
          <rect width="3" height="7" class="hatch-line" />
        </pattern>
      </svg>
      {LEGEND.map((kind) => (
        <span key={kind}>
          <svg width="14" height="12" class={`gantt-bar gantt-${kind}`} aria-hidden="true">
            <rect width="14" height="12" />
            {kind === 'revert' || kind === 'lost' ? (
              <rect width="14" height="12" class="gantt-hatch" fill="url(#hatch)" />
            ) : null}
          </svg>{' '}
          {told(text.legend, kind)}
        </span>
      ))}
    </p>
  );
}
