// Why did this request fail, or take so long? Those that the gateway keeps, and the story of one.

import type { StoryDocument } from '../../src/admin/contract.ts';
import { call } from '../live/api.ts';
import { usePolled } from '../live/polled.ts';
import { useOverview } from '../live/stream.ts';
import { Banner } from '../parts/banner.tsx';
import { count, time } from '../parts/format.ts';
import { memo } from '../parts/memo.tsx';
import { Moment } from '../parts/time.tsx';
import { go, Link, pathOf, place, setQuery } from '../router.tsx';
import { common } from '../text.ts';
import { Story } from './requests/story.tsx';
import { requestsText } from './requests/text.ts';

const EVERY_MS = 2000;
const LAST = 200;
const KINDS = ['all', 'failed', 'retried', 'slow', 'sampled'] as const;

export function Requests({ segments: [id = ''] }: { readonly segments: readonly string[] }) {
  return id === '' ? <List /> : <One id={id} />;
}

function List() {
  const text = requestsText();
  const { query } = place.value;
  const kind = KINDS.find((one) => one === query.get('kind')) ?? 'all';
  const upstream = query.get('upstream') ?? '';
  const asked = { upstream, kind, id: '', last: LAST };
  const polled = usePolled(JSON.stringify(asked), () => call('requests', asked), EVERY_MS);
  const upstreams = Object.keys(useOverview().value?.upstreams ?? {});
  const known = polled.value;
  return (
    <>
      <div class="page-head">
        <h1>{common().requests}</h1>
      </div>
      <div class="filters">
        <fieldset class="tabs">
          <legend class="unseen">{text.kind}</legend>
          {KINDS.map((one) => (
            <label key={one} class={one === kind ? 'tab tab-on' : 'tab'}>
              <input
                type="radio"
                name="kind"
                checked={one === kind}
                onChange={() => setQuery('kind', one === 'all' ? '' : one)}
              />
              {text.kinds[one]}
            </label>
          ))}
        </fieldset>
        <select
          aria-label={text.upstream}
          value={upstream}
          onChange={({ currentTarget }) => setQuery('upstream', currentTarget.value)}
        >
          <option value="">{text.allUpstreams}</option>
          {upstreams.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <Find />
      </div>
      {polled.trouble === '' ? null : <Banner level="bad">{polled.trouble}</Banner>}
      <section class="card table-card" aria-label={common().requests}>
        {known === undefined ? (
          <p class="empty">{common().loading}</p>
        ) : known.requests.length === 0 ? (
          <p class="empty">{text.none}</p>
        ) : (
          <div class="scroll">
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">{text.time}</th>
                  <th scope="col">{text.status}</th>
                  <th scope="col">{text.request}</th>
                  <th scope="col">{text.upstream}</th>
                  <th scope="col">{text.madeBy}</th>
                  <th scope="col" class="number">
                    {text.took}
                  </th>
                  <th scope="col" class="number">
                    {text.tries}
                  </th>
                  <th scope="col">{text.why}</th>
                </tr>
              </thead>
              <tbody>
                {known.requests.map((story) => (
                  // What is kept of a request does not change.
                  <Row key={`${story.id} ${story.timeMs}`} id={story.id} story={story} />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      {known === undefined ? null : (
        <p class="muted">
          {text.kept} {known.sampling}. {known.leftOut > 0 ? text.leftOut(known.leftOut) : ''}
        </p>
      )}
    </>
  );
}

function Find() {
  const text = requestsText();
  return (
    <form
      class="find"
      onSubmit={(event) => {
        event.preventDefault();
        const id = String(new FormData(event.currentTarget).get('id') ?? '').trim();
        if (id !== '') go(pathOf('requests', id));
      }}
    >
      <input
        type="search"
        name="id"
        data-filter
        aria-label={text.findId}
        placeholder={`${text.findId} (/)`}
      />
      <button type="submit" class="button">
        {text.find}
      </button>
    </form>
  );
}

const Row = memo(function Row({ story }: { readonly id: string; readonly story: StoryDocument }) {
  const text = requestsText();
  const { id, timeMs, status, method, path, upstream, madeBy, durationMs, attempts } = story;
  const { attemptsLeftOut, reason, result } = story;
  return (
    <tr>
      <td>
        <Moment ms={timeMs} />
      </td>
      <td class={status === 0 || status >= 500 ? 'bad' : ''}>
        {status === 0 ? text.noAnswer : status}
      </td>
      <th scope="row" class="wrap">
        <Link to={pathOf('requests', id)}>
          <span class="any">
            {method} {path}
          </span>
        </Link>
      </th>
      <td class="wrap">
        {upstream === '' ? '–' : <Link to={pathOf('pools', upstream)}>{upstream}</Link>}
      </td>
      <td>{madeBy === '' ? text.nobody : text[madeBy]}</td>
      <td class="number">{time(durationMs)}</td>
      <td class="number">{count(attempts.length + attemptsLeftOut)}</td>
      <td class="wrap any">{reason || result}</td>
    </tr>
  );
});

function One({ id }: { readonly id: string }) {
  const text = requestsText();
  const asked = { upstream: '', kind: 'all', id, last: LAST } as const;
  const polled = usePolled(id, () => call('requests', asked), 10_000);
  const known = polled.value;
  return (
    <>
      <div class="page-head">
        <Link to="/requests">← {text.back}</Link>
        <Find />
      </div>
      {polled.trouble === '' ? null : <Banner level="bad">{polled.trouble}</Banner>}
      {known === undefined ? <p class="muted loading">{common().loading}</p> : null}
      {known?.requests.length === 0 ? (
        <div class="card">
          <p class="any">{text.notFound(id)}</p>
          <p class="muted">
            {text.kept} {known.sampling}.
          </p>
        </div>
      ) : null}
      {known?.requests.map((story) => (
        <Story key={`${story.id} ${story.timeMs}`} story={story} />
      ))}
    </>
  );
}
