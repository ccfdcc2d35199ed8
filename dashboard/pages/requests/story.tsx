// One request, told: what was asked, each attempt on one axis of time, and what the servers were then.

import type { StoryDocument } from '../../../src/admin/contract.ts';
import { CopyLine } from '../../parts/copy.tsx';
import { bytes, time } from '../../parts/format.ts';
import { StateMark } from '../../parts/state-mark.tsx';
import { Moment } from '../../parts/time.tsx';
import { Link, pathOf } from '../../router.tsx';
import { partsOf } from './bars.ts';
import { requestsText } from './text.ts';

type Attempt = StoryDocument['attempts'][number];

export function Story({ story }: { readonly story: StoryDocument }) {
  const text = requestsText();
  const { status, madeBy, upstream, attempts, attemptsLeftOut, waitMs, durationMs } = story;
  const isBad = story.kind === 'failed';
  return (
    <article class="card story">
      <h1 class="any">
        {story.method} {story.host}
        {story.path}
      </h1>
      <p class={isBad ? 'bad story-end' : 'story-end'}>
        <b>{status === 0 ? text.noAnswer : status}</b>{' '}
        {madeBy === '' ? '' : `${text.madeBy} ${text[madeBy]}`}
        {story.reason === '' && story.detail === '' ? null : (
          <span class="any">
            {' · '}
            {[story.reason, story.detail].filter(Boolean).join(': ')}
          </span>
        )}
      </p>
      {attempts.length === 0 ? (
        <p class="muted">{text.failures}</p>
      ) : (
        <ol class="attempts">
          {attempts.map((attempt, place) => (
            <AttemptBar
              key={`${attempt.startMs} ${attempt.server}`}
              {...{ attempt, place, upstream, wholeMs: durationMs }}
            />
          ))}
        </ol>
      )}
      {attemptsLeftOut > 0 ? <p class="muted">{text.more(attemptsLeftOut)}</p> : null}
      <dl class="pairs">
        <dt>{text.took}</dt>
        <dd>
          {waitMs === null ? null : `${text.waits} ${time(waitMs)}, `}
          {time(durationMs)} {text.all}
        </dd>
        <dt>{text.time}</dt>
        <dd>
          <Moment ms={story.timeMs} day />
        </dd>
        <dt>{text.client}</dt>
        <dd class="any">{story.client}</dd>
        <dt>{text.route}</dt>
        <dd class="any">
          {story.route || text.noRoute}
          {upstream === '' ? null : (
            <>
              {' → '}
              <Link to={pathOf('pools', upstream)}>{upstream}</Link>
            </>
          )}
        </dd>
        <dt>{text.bytes}</dt>
        <dd>{text.bytesOf(bytes(story.bytesIn), bytes(story.bytesOut))}</dd>
        {story.closedBy === '' ? null : (
          <>
            <dt>{text.closed}</dt>
            <dd>{story.closedBy}</dd>
          </>
        )}
        {story.clientId === '' && story.traceId === '' ? null : (
          <>
            <dt>{text.ids}</dt>
            <dd class="any">{[story.clientId, story.traceId].filter(Boolean).join(', ')}</dd>
          </>
        )}
        <dt>{text.seenBy}</dt>
        <dd class="any">{story.gateway}</dd>
        <dt>{text.keptAs}</dt>
        <dd>{text.kinds[story.kind] ?? story.kind}</dd>
      </dl>
      {story.pool.length === 0 ? null : (
        <>
          <h2>{text.serversThen}</h2>
          <ul class="facts">
            {story.pool.map((server) => (
              <li key={server.server}>
                <StateMark state={server.stateThen} />
                <span class="any">{server.server}</span>
                <span class="muted any">
                  {[server.version, server.owner].filter(Boolean).join(' · ')}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      <CopyLine text={`sluice why ${story.id}`} />
    </article>
  );
}

type BarProps = {
  readonly attempt: Attempt;
  readonly place: number;
  readonly upstream: string;
  readonly wholeMs: number;
};

function AttemptBar({ attempt, place, upstream, wholeMs }: BarProps) {
  const text = requestsText();
  const { server, stateThen, version, owner, connectMs, tookMs, status, failure, retried } =
    attempt;
  const parts = partsOf(attempt, wholeMs);
  return (
    <li>
      <div class="attempt-head">
        <b>{text.attempt(place + 1)}</b>
        <Link to={`${pathOf('pools', upstream)}?server=${encodeURIComponent(server)}`}>
          <span class="any">{server}</span>
        </Link>
        <StateMark state={stateThen} />
        <span class="muted any">{[version, owner].filter(Boolean).join(' · ')}</span>
        <span>{time(tookMs)}</span>
        {failure === '' ? (
          <span>{status === 0 ? '' : status}</span>
        ) : (
          <span class="bad any">{failure}</span>
        )}
        {retried ? <span class="muted">{text.retried}</span> : null}
      </div>
      <div class="attempt-bar">
        {parts.map(({ kind, from, to, ms }) => (
          <span
            key={kind}
            class={`part part-${kind}`}
            style={{ left: `${from * 100}%`, width: `${Math.max(0.4, (to - from) * 100)}%` }}
            title={`${text[kind]} ${time(ms)}`}
          />
        ))}
      </div>
      <div class="muted parts">
        {connectMs === null ? `${text.kept_} · ` : ''}
        {parts.map(({ kind, ms }) => `${text[kind]} ${time(ms)}`).join(' · ')}
      </div>
    </li>
  );
}
