// A pool: a row per server, what needs attention above, graphs below the head, one server in the drawer.

import { useCallback } from 'preact/hooks';
import type { PoolTopic, SecondFigures } from '../../src/admin/contract.ts';
import { ActionDialog } from '../actions/dialog.tsx';
import { chosen, GatewayChoice } from '../gateways/choice.tsx';
import { type Choice, seenFrom } from '../gateways/seen.ts';
import { useRecent } from '../live/recent.ts';
import { usePool } from '../live/stream.ts';
import { Banner } from '../parts/banner.tsx';
import { StateBar } from '../parts/bar.tsx';
import { Figure } from '../parts/figure.tsx';
import { Filter, filterText } from '../parts/filter.tsx';
import { count, share, time } from '../parts/format.ts';
import { Link, place, setQuery } from '../router.tsx';
import { common } from '../text.ts';
import { Charts } from './pool/charts.tsx';
import { Drawer } from './pool/drawer.tsx';
import { Row } from './pool/row.tsx';
import { COLUMNS, type Column, nextSorting, parseSorting, shownServers } from './pool/rows.ts';
import { poolText } from './pool/text.ts';

export type KnownPool = Exclude<PoolTopic, { readonly gone: true }>;

export function Pool({ segments: [name = ''] }: { readonly segments: readonly string[] }) {
  const topic = usePool(name).value;
  if (topic === undefined) return <p class="muted loading">{common().loading}</p>;
  if ('gone' in topic) {
    return (
      <div class="card">
        <p class="any">{poolText().gone(name)}</p>
        <Link to="/">{common().back}</Link>
      </div>
    );
  }
  const id = place.value.query.get('server') ?? '';
  const pool = seenPool(topic, chosen());
  return (
    <div class="pool">
      <Head name={name} pool={pool} />
      {topic.problems.map(({ key, message }) => (
        <Banner key={`${key} ${message}`} level="warn">
          {message}
        </Banner>
      ))}
      <Charts upstream={name} servers={topic.servers} />
      <Servers name={name} pool={pool} />
      {id === '' ? null : <Drawer key={id} upstream={name} id={id} server={pool.servers[id]} />}
      <ActionDialog />
    </div>
  );
}

/** With the figures of all gateways, of this one, or of another one. */
function seenPool(pool: KnownPool, choice: Choice): KnownPool {
  if (pool.sum === undefined) return pool;
  const servers = Object.entries(pool.servers).map(
    ([id, server]) => [id, seenFrom(server, choice)] as const,
  );
  return { ...seenFrom(pool, choice), servers: Object.fromEntries(servers) };
}

function Head({ name, pool }: { readonly name: string; readonly pool: KnownPool }) {
  const text = poolText();
  const { requests, errors, failures, p50Ms, p99Ms } = pool.lastSecond;
  const all = Object.keys(pool.servers).length;
  const wrong = errors + failures;
  return (
    <div class="page-head pool-head">
      <h1 class="any">{name}</h1>
      <span class="muted">{pool.balance}</span>
      <span class={pool.eligible === 0 ? 'bad' : ''}>
        <b>
          {pool.eligible}/{all}
        </b>{' '}
        {text.eligible}
      </span>
      <StateBar counts={pool.eligibility} />
      <Figure label={text.perSecond} value={count(requests)} />
      <Figure label={text.errors} value={share(wrong, requests)} isBad={wrong > 0} />
      <Figure label="p50" value={time(p50Ms)} />
      <Figure label="p99" value={time(p99Ms)} />
      <Figure label={text.inFlight} value={count(pool.inFlight)} />
      <GatewayChoice />
    </div>
  );
}

function Servers({ name, pool }: { readonly name: string; readonly pool: KnownPool }) {
  const text = poolText();
  const { query } = place.value;
  const topic = usePool(name);
  const choice = chosen();
  const newest = useCallback((): Readonly<Record<string, SecondFigures>> => {
    const now = topic.peek();
    if (now === undefined || 'gone' in now) return {};
    return Object.fromEntries(
      Object.entries(now.servers).map(([id, row]) => [id, seenFrom(row, choice).lastSecond]),
    );
  }, [topic, choice]);
  const recent = useRecent(name, '*', choice, newest);
  const sorting = parseSorting(query.get('sort') ?? '');
  const onlyProblems = query.get('problems') === '1';
  const shown = shownServers(pool.servers, {
    ...{ filter: filterText(), onlyProblems, sorting },
  });
  const all = Object.keys(pool.servers).length;
  return (
    <>
      <div class="filters">
        <Filter />
        <label>
          <input
            type="checkbox"
            checked={onlyProblems}
            onChange={({ currentTarget }) => setQuery('problems', currentTarget.checked ? '1' : '')}
          />{' '}
          {text.onlyProblems}
        </label>
        <span class="muted">{text.shown(shown.length, all)}</span>
      </div>
      <section class="card table-card" aria-label={name}>
        {shown.length === 0 ? (
          <p class="empty">{all === 0 ? text.noServers : text.noneShown}</p>
        ) : (
          <div class="scroll">
            <table class="table pool-table">
              <thead>
                <tr>
                  {COLUMNS.map((column) => (
                    <SortHead key={column} column={column} sorting={sorting} />
                  ))}
                  <th scope="col" class="of-action">
                    {text.action}
                  </th>
                </tr>
              </thead>
              <tbody>
                {shown.map(([id, server]) => (
                  <Row key={id} upstream={name} id={id} server={server} recent={recent} />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </>
  );
}

const NUMBERS: readonly Column[] = ['weight', 'inFlight', 'errors'];

function SortHead({
  column,
  sorting,
}: {
  readonly column: Column;
  readonly sorting: ReturnType<typeof parseSorting>;
}) {
  const text = poolText();
  const isBy = sorting.column === column;
  return (
    <>
      {column === 'since' ? (
        <th scope="col" class="of-check">
          {text.check}
        </th>
      ) : null}
      <th
        scope="col"
        class={`of-${column} ${NUMBERS.includes(column) ? 'number' : ''}`}
        aria-sort={isBy ? (sorting.isDown ? 'descending' : 'ascending') : 'none'}
      >
        <button
          type="button"
          class="sort"
          onClick={() => setQuery('sort', nextSorting(sorting, column))}
        >
          {text.columns[column]}
          <span aria-hidden="true">{isBy ? (sorting.isDown ? ' ↓' : ' ↑') : ''}</span>
        </button>
      </th>
    </>
  );
}
