// The state of a release in words: what it waits for, what has failed, what happened since, what is to be done.

import type { ComponentChildren } from 'preact';
import type { LockDocument, ReleaseSummary } from '../../../src/admin/contract.ts';
import { Banner } from '../../parts/banner.tsx';
import { CopyLine } from '../../parts/copy.tsx';
import { age, duration, Moment, nowMs } from '../../parts/time.tsx';
import { quoted } from './steer.ts';
import type { Failure, Lane, Story } from './story.ts';
import { releaseText, told } from './text.ts';

/** What the page knows of it beside its journal. */
export type Standing = {
  readonly service: string;
  readonly summary: ReleaseSummary;
  /** One word: running, waiting, paused, stale, lost; else the outcome. */
  readonly word: string;
  readonly holder: NonNullable<LockDocument['holder']> | undefined;
  /** Of the last record. */
  readonly lastMs: number;
};

const BAD = ['failed', 'refused', 'stale', 'lost', 'rolled_back'];
const WARN = ['waiting', 'paused', 'interrupted', 'aborted'];
const SIGNS: Readonly<Record<string, string>> = { running: '▶', waiting: '‖', paused: '‖' };

export function OutcomeTag({ word }: { readonly word: string }) {
  const kind = BAD.includes(word)
    ? 'bad'
    : WARN.includes(word)
      ? 'warn'
      : word === 'running'
        ? 'run'
        : 'good';
  const sign = SIGNS[word] ?? { bad: '✕', warn: '!', run: '▶', good: '✓' }[kind];
  return (
    <span class={`tag tag-${kind}`}>
      <span aria-hidden="true">{sign} </span>
      {told(releaseText().outcomes, word)}
    </span>
  );
}

export function Verdict({
  standing,
  story,
}: {
  readonly standing: Standing;
  readonly story: Story;
}) {
  const text = releaseText();
  const { service, summary, word, holder, lastMs } = standing;
  const { failure, paused } = story;
  const resume = `sluice resume ${quoted(service)}`;
  if (word === 'stale' || word === 'lost') {
    return (
      <Banner level="bad">
        {word === 'lost'
          ? text.died(cutOff(story) || summary.lastStep)
          : text.gone(age(nowMs.value - lastMs), holder?.step || summary.lastStep)}
        <CopyLine text={resume} />
      </Banner>
    );
  }
  return (
    <>
      {holder?.waits === undefined ? null : (
        <Banner level="warn">
          {text.waitsFor(holder.waits.before)}, {text.until} <Moment ms={holder.waits.untilMs} /> (
          {duration(holder.waits.untilMs - nowMs.value)}).
        </Banner>
      )}
      {paused === undefined ? null : (
        <Banner level="warn">
          {word === 'paused' ? text.pausedBy(paused.by) : text.pausing(paused.by)}{' '}
          {paused.why === '' ? '' : `“${paused.why}”`}
        </Banner>
      )}
      {failure !== undefined && word !== 'succeeded' ? (
        <Failed failure={failure} story={story} standing={standing} />
      ) : summary.reason === '' ? null : (
        <Banner level={BAD.includes(word) ? 'bad' : 'warn'}>
          <p>{summary.reason}</p>
          <Rest story={story} version={summary.version} />
          <Next story={story}>
            {word === 'aborted' || word === 'interrupted' ? (
              <CopyLine label={text.goOn} text={resume} />
            ) : null}
          </Next>
        </Banner>
      )}
      {story.doubts.map((doubt) => (
        <Banner key={doubt} level="warn">
          {doubt}
        </Banner>
      ))}
    </>
  );
}

/** What its runner was at when it went. */
function cutOff({ lanes }: Story): string {
  const lane = lanes.find(({ bars }) => bars.at(-1)?.state === 'lost');
  return lane === undefined ? '' : `${lane.bars.at(-1)?.step} – ${lane.instance}`;
}

function Failed({
  failure,
  story,
  standing,
}: {
  readonly failure: Failure;
  readonly story: Story;
  readonly standing: Standing;
}) {
  const text = releaseText();
  const { instance, step, reason, revertReason } = failure;
  const lane = story.lanes.find((one) => one.instance === instance);
  return (
    <Banner level="bad">
      <p>
        <b>{text.failedAt(step, instance)}</b> (<Moment ms={failure.atMs} />
        ): {reason}
      </p>
      {story.evidence.length === 0 ? null : <pre class="evidence">{story.evidence.join('\n')}</pre>}
      {lane === undefined ? null : <p>{sinceThen(lane, failure, standing.word)}</p>}
      {revertReason === '' ? null : (
        <p>
          <b>{text.since.notBack}</b> {revertReason}
        </p>
      )}
      <Rest story={story} version={standing.summary.version} />
      <Next story={story} />
    </Banner>
  );
}

function sinceThen({ outcome, bars, from }: Lane, { atMs }: Failure, word: string): string {
  const { since } = releaseText();
  const last = bars.at(-1);
  if (outcome === 'reverted') return since.reverted(from, duration((last?.toMs ?? 0) - atMs));
  if (outcome === 'parked') return since.parked;
  if (outcome === 'stuck') return since.stuck;
  return word === 'running' ? since.reverting(from) : '';
}

function Rest({ story: { lanes }, version }: { readonly story: Story; readonly version: string }) {
  const { since } = releaseText();
  const untouched = lanes.filter(({ outcome }) => outcome === 'untouched').length;
  const released = lanes.filter(({ outcome }) => outcome === 'released').length;
  if (untouched + released === 0) return null;
  return (
    <p>
      {untouched === 0 ? '' : since.untouched(untouched)}{' '}
      {released === 0 ? '' : since.released(released, version)}
    </p>
  );
}

function Next({
  story: { next },
  children,
}: {
  readonly story: Story;
  readonly children?: ComponentChildren;
}) {
  if (next.length === 0) return <>{children}</>;
  return (
    <p>
      <b>{releaseText().todo}:</b> {next.join(' · ')}
    </p>
  );
}
