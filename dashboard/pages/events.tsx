// Who changed what, and why: the audit log, newest first. What comes while somebody reads further down is announced
// and does not move the lines.

import { useState } from 'preact/hooks';
import type { EventDocument } from '../../src/admin/contract.ts';
import { call } from '../live/api.ts';
import { useEvents } from '../live/stream.ts';
import { CopyButton } from '../parts/copy.tsx';
import { Filter, filterText } from '../parts/filter.tsx';
import { memo } from '../parts/memo.tsx';
import { Moment } from '../parts/time.tsx';
import { Link, pathOf, place, setQuery } from '../router.tsx';
import { common } from '../text.ts';
import { deedOf, isBad, objectOf, reasonOf, shownEvents } from './events/list.ts';
import { eventsText } from './events/text.ts';

/** Scrolled down so far, one reads, pixels. */
const READING = 160;
const STEP = 100;
const OLDER_MAX = 1000;

type Known = Readonly<Record<string, EventDocument>>;

export function Events() {
  const text = eventsText();
  const { query } = place.value;
  const topic = useEvents().value;
  const [held, setHeld] = useState<Known | undefined>(undefined);
  const [older, setOlder] = useState<Known>({});
  const [most, setMost] = useState(STEP);
  if (topic === undefined) return <p class="muted loading">{common().loading}</p>;
  const newest = topic.events;
  const shownOnes = { ...older, ...(held ?? newest) };
  const waiting = Object.keys(newest).filter((key) => !(key in shownOnes)).length;
  // In the middle of reading: what comes waits.
  if (held === undefined && scrollY > READING) queueMicrotask(() => setHeld(newest));
  if (held !== undefined && scrollY <= READING) queueMicrotask(() => setHeld(undefined));
  const filter = {
    text: filterText(),
    upstream: query.get('upstream') ?? '',
    onlyBad: query.get('bad') === '1',
  };
  const fitting = shownEvents(shownOnes, filter);
  const upstreams = [...new Set(Object.values(shownOnes).map(({ upstream }) => upstream))];
  const more = async (): Promise<void> => {
    const { events } = await call('events', { last: OLDER_MAX });
    // The stream numbers them; these end with the newest one.
    const last = Math.max(...Object.keys(newest).map(Number));
    setOlder(
      Object.fromEntries(events.map((one, at) => [last - events.length + 1 + at, one] as const)),
    );
    setMost(OLDER_MAX);
  };
  return (
    <>
      <div class="page-head">
        <h1>{common().events}</h1>
      </div>
      <div class="filters">
        <Filter />
        <select
          aria-label={text.upstream}
          value={filter.upstream}
          onChange={({ currentTarget }) => setQuery('upstream', currentTarget.value)}
        >
          <option value="">{text.allUpstreams}</option>
          {upstreams.filter(Boolean).map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        <label>
          <input
            type="checkbox"
            checked={filter.onlyBad}
            onChange={({ currentTarget }) => setQuery('bad', currentTarget.checked ? '1' : '')}
          />{' '}
          {text.onlyBad}
        </label>
        <CopyButton
          label={text.copyAll(fitting.length)}
          text={() =>
            JSON.stringify(
              fitting.map(([, event]) => event),
              undefined,
              2,
            )
          }
        />
      </div>
      {waiting === 0 ? null : (
        <button
          type="button"
          class="button newer"
          onClick={() => {
            scrollTo(0, 0);
            setHeld(undefined);
          }}
        >
          ↑ {text.newer(waiting)}
        </button>
      )}
      <section class="card table-card" aria-label={common().events}>
        {fitting.length === 0 ? (
          <p class="empty">{Object.keys(shownOnes).length === 0 ? text.none : text.noneFits}</p>
        ) : (
          <div class="scroll">
            <table class="table events">
              <thead>
                <tr>
                  {[text.time, text.who, text.what, text.why, text.change, text.result, ''].map(
                    (head) => (
                      <th key={head} scope="col">
                        {head === '' ? <span class="unseen">{text.copyOne}</span> : head}
                      </th>
                    ),
                  )}
                </tr>
              </thead>
              <tbody>
                {fitting.slice(0, most).map(([key, event]) => (
                  <Row key={key} event={event} />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      {most < OLDER_MAX && Object.keys(newest).length >= STEP ? (
        <button type="button" class="button" onClick={() => void more()}>
          {text.older}
        </button>
      ) : null}
    </>
  );
}

const Row = memo(function Row({ event }: { readonly event: EventDocument }) {
  const text = eventsText();
  const { token, owner, from, before, after, result, message, upstream, server } = event;
  const isServer = upstream !== '' && server !== '';
  const object = objectOf(event);
  return (
    <tr class={isBad(event) ? 'event-bad' : ''}>
      <td>
        <Moment ms={Date.parse(event.time)} day />
      </td>
      <td class="wrap">
        <b class="any">{owner === '' ? token || text.unknownWho : owner}</b>{' '}
        <span class="muted any">{owner === '' || token === '' ? from : `${token} · ${from}`}</span>
      </td>
      <td class="wrap">
        <b>{deedOf(event)}</b>{' '}
        {isServer ? (
          <Link to={`${pathOf('pools', upstream)}?server=${encodeURIComponent(server)}`}>
            <span class="any">{object}</span>
          </Link>
        ) : (
          <span class="any">{object}</span>
        )}
      </td>
      <td class="wrap any">{reasonOf(event)}</td>
      <td>
        {before.state === '' && after.state === '' ? null : (
          <>
            {before.state || '–'} → {after.state || '–'}
            {before.weight === after.weight ? null : ` · ${before.weight} → ${after.weight}`}
          </>
        )}
      </td>
      <td class="wrap">
        {isBad(event) ? (
          <span class="bad any">
            <b>{result}</b> {message}
          </span>
        ) : (
          <span class="good">ok</span>
        )}
      </td>
      <td>
        <CopyButton label={text.copyOne} text={() => JSON.stringify(event, undefined, 2)} />
      </td>
    </tr>
  );
});
