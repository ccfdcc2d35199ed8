// One release: what it does now, its steps beside the traffic on one time axis, its records, its receipt.

import { useState } from 'preact/hooks';
import type { CommandKind, ReleaseSummary, ReleasesTopic } from '../../src/admin/contract.ts';
import { start } from '../actions/action.ts';
import { ActionDialog } from '../actions/dialog.tsx';
import { mayRelease, session } from '../live/session.ts';
import { useRelease, useReleases } from '../live/stream.ts';
import { Banner } from '../parts/banner.tsx';
import { duration, Moment, nowMs } from '../parts/time.tsx';
import { Link, pathOf } from '../router.tsx';
import { common } from '../text.ts';
import { History } from './history.tsx';
import { Output, StartButtons } from './release/desk-buttons.tsx';
import { Gantt, kindOf, Legend, Track } from './release/gantt.tsx';
import { Graphs, useHistoryOf } from './release/graphs.tsx';
import { Log } from './release/log.tsx';
import { wordFor } from './release/past.ts';
import { Receipt } from './release/receipt.tsx';
import { recordsOf, type StoryRecord } from './release/records.ts';
import { steering } from './release/steer.ts';
import { focusOf, type Lane, type Story, stepStates, storyOf } from './release/story.ts';
import { releaseText, told } from './release/text.ts';
import { OutcomeTag, type Standing, Verdict } from './release/verdict.tsx';

/** Shown before the first and after the last step, at least, ms. */
const PAD_MS = 3000;

export function Releases({ segments }: { readonly segments: readonly string[] }) {
  const [service = '', release = ''] = segments;
  if (release === '') return <History service={service} />;
  return <Release key={`${service}/${release}`} service={service} release={release} />;
}

function Release({ service, release }: { readonly service: string; readonly release: string }) {
  const topic = useRelease(service, release).value;
  const all = useReleases(service).value;
  if (topic === undefined) return <p class="muted loading">{common().loading}</p>;
  if ('trouble' in topic) {
    const { code, message } = topic.trouble;
    return (
      <Banner level="bad">
        {code === 'not_found' ? releaseText().none(release) : message}{' '}
        <Link to={pathOf('releases', service)}>{common().releases}</Link>
      </Banner>
    );
  }
  const records = recordsOf(topic.records);
  const { summary } = topic;
  const standing = standingOf(service, summary, records, all);
  const isLive = summary.endedAtMs === 0 && standing.word !== 'stale' && standing.word !== 'lost';
  return <Shown standing={standing} records={records} isLive={isLive} />;
}

function standingOf(
  service: string,
  summary: ReleaseSummary,
  records: readonly StoryRecord[],
  all: ReleasesTopic | undefined,
): Standing {
  const holder = all === undefined || 'trouble' in all ? undefined : all.lock.holder;
  return {
    ...{ service, summary, word: wordFor(summary, all) },
    holder: holder?.release === summary.release ? holder : undefined,
    lastMs: records.at(-1)?.atMs ?? 0,
  };
}

function Shown({
  standing,
  records,
  isLive,
}: {
  readonly standing: Standing;
  readonly records: readonly StoryRecord[];
  readonly isLive: boolean;
}) {
  const text = releaseText();
  const { summary, service } = standing;
  const story = storyOf(records, isLive);
  const [chosen, choose] = useState('');
  const focus = story.lanes.find(({ instance }) => instance === chosen) ?? focusOf(story);
  const fromMs = records[0]?.atMs ?? summary.beganAtMs;
  const endMs = isLive ? Math.max(nowMs.value, standing.lastMs) : standing.lastMs;
  const pad = Math.max(PAD_MS, (endMs - fromMs) * 0.04);
  const axis = { fromMs: fromMs - pad, toMs: endMs + pad, nowMs: endMs };
  const history = useHistoryOf(summary.upstream, fromMs, isLive ? 0 : endMs);
  return (
    <div class="release">
      <Head standing={standing} story={story} isLive={isLive} />
      <Verdict standing={standing} story={story} />
      {focus === undefined ? null : <Steps service={service} lane={focus} lanes={story.lanes} />}
      <section class="card" aria-label={text.graph}>
        <Graphs
          target={summary.version}
          upstream={summary.upstream}
          lanes={story.lanes}
          history={history}
          {...axis}
        />
        {story.whole.length === 0 ? null : (
          <div class="gantt">
            <Track bars={story.whole} width={800} {...axis} />
          </div>
        )}
        <Gantt
          {...axis}
          lanes={story.lanes}
          target={summary.kind === 'stop' ? '–' : summary.version}
          focus={focus?.instance ?? ''}
          onFocus={choose}
        />
        <Legend />
      </section>
      <Receipt receipt={story.receipt} isRunning={isLive} fromMs={fromMs} history={history} />
      <Log records={records} />
      <ActionDialog />
    </div>
  );
}

function Head({
  standing,
  story,
  isLive,
}: {
  readonly standing: Standing;
  readonly story: Story;
  readonly isLive: boolean;
}) {
  const text = releaseText();
  const { service, summary, word, lastMs } = standing;
  const { release, kind, version, user, runner, upstream, beganAtMs, of, why } = summary;
  const endMs = isLive ? nowMs.value : summary.endedAtMs || lastMs;
  const from = (summary.from ?? story.from).join(', ');
  const done = story.lanes.filter(({ outcome }) => /released|kept|stopped|retired/.test(outcome));
  return (
    <header class="release-head">
      <div class="page-head">
        <h1 class="any">
          <Link to={pathOf('releases', service)}>{service}</Link> {release}
        </h1>
        <span class="versions any">
          {from === '' ? '–' : from} → <b>{kind === 'stop' ? '–' : version}</b>
        </span>
        <OutcomeTag word={word} />
        <Buttons standing={standing} story={story} isLive={isLive} />
      </div>
      <p class="muted any">
        {told(text.kinds, kind)} {common().by} {user}, {text.runner} {runner} · {text.began}{' '}
        <Moment ms={beganAtMs} day /> · {isLive ? text.runs : text.took}{' '}
        {duration(endMs - beganAtMs)}{' '}
        {story.lastTookMs > 0 ? text.lastTook(duration(story.lastTookMs)) : ''} ·{' '}
        {text.ofAll(done.length, story.lanes.length)} · {text.pool}{' '}
        <Link to={pathOf('pools', upstream)}>{upstream}</Link>
        {of === '' ? null : (
          <>
            {' '}
            · {text.undoes} <Link to={pathOf('releases', service, of)}>{of}</Link>
          </>
        )}
        {why === '' ? '' : ` · ${text.because}: ${why}`}
      </p>
    </header>
  );
}

function Buttons({
  standing: { service, summary, word },
  story,
  isLive,
}: {
  readonly standing: Standing;
  readonly story: Story;
  readonly isLive: boolean;
}) {
  const text = releaseText();
  if (!isLive) {
    const isUnfinished = ['stale', 'lost', 'aborted', 'interrupted'].includes(word);
    return (
      <span class="actions">
        <StartButtons
          service={service}
          kinds={isUnfinished ? ['resume', 'rollback'] : ['rollback']}
        />
      </span>
    );
  }
  const commands: readonly CommandKind[] = [
    ...(word === 'waiting' ? (['approve'] as const) : []),
    story.paused === undefined ? 'pause' : 'resume',
    ...(['abort', 'abort_now'] as const),
  ];
  const isFree = mayRelease.value;
  return (
    <span class="actions">
      {commands.map((command) => (
        <button
          key={command}
          type="button"
          class={`button ${command === 'approve' ? 'button-main' : command.startsWith('abort') ? 'button-bad' : ''}`}
          disabled={!isFree}
          title={isFree ? undefined : text.mayNot(session.value?.role ?? '')}
          onClick={() => void start(steering(command, service, summary.release))}
        >
          {told(text.verbs, command)}…
        </button>
      ))}
    </span>
  );
}

/** The steps of the instance that is looked at, the current one lit. */
function Steps({
  service,
  lane,
  lanes,
}: {
  readonly service: string;
  readonly lane: Lane;
  readonly lanes: readonly Lane[];
}) {
  const text = releaseText();
  const at = lanes.findIndex(({ instance }) => instance === lane.instance) + 1;
  return (
    <section class="card steps-card" aria-label={text.steps}>
      <h2 class="any">
        {lane.instance}{' '}
        <span class="muted">
          {at}/{lanes.length} · {told(text.lanes, lane.outcome)}
        </span>
      </h2>
      <ol class="steps">
        {stepStates(lane).map(({ step, state, revert }, place) => (
          <li
            // Steps that bring the old version back have the names of others.
            key={`${place} ${step}`}
            class={`step step-${state} gantt-${kindOf({ step, state: state === 'planned' ? 'done' : state })}`}
            aria-current={state === 'running' ? 'step' : undefined}
            title={revert ? text.revert : undefined}
          >
            <span aria-hidden="true">
              {{ running: '▶', done: '✓', failed: '✕', lost: '?', planned: '○' }[state]}
            </span>{' '}
            {revert ? '↩ ' : ''}
            {step} <span class="unseen">{told(text.states, state)}</span>
          </li>
        ))}
      </ol>
      <Output key={lane.instance} service={service} instance={lane.instance} />
    </section>
  );
}
