// Requests, times and errors of a pool or a server, with the times shaded in which servers were out.

import { useEffect, useState } from 'preact/hooks';
import type { HistoryDocument, HistorySpan, PoolServer } from '../../../src/admin/contract.ts';
import { chosen, Unheard } from '../../gateways/choice.tsx';
import { call } from '../../live/api.ts';
import { link, useOverview } from '../../live/stream.ts';
import { Chart, type ChartSeries } from '../../parts/chart.tsx';
import { count, time } from '../../parts/format.ts';
import { look } from '../../parts/scheme.ts';
import { STATES, StateMark } from '../../parts/state-mark.tsx';
import { place, setQuery } from '../../router.tsx';
import { poolText } from './text.ts';
import { windowsOf } from './windows.ts';

const SPANS = ['5m', '1h'] as const;
const REFRESH_MS: Readonly<Record<HistorySpan, number>> = { '5m': 2000, '1h': 10_000 };

export type ChartsProps = {
  readonly upstream: string;
  /** '' = the upstream, by version where there are several. */
  readonly server?: string;
  readonly servers: Readonly<Record<string, PoolServer>>;
};

export function Charts({ upstream, server = '', servers }: ChartsProps) {
  const text = poolText();
  const span: HistorySpan = place.value.query.get('span') === '1h' ? '1h' : '5m';
  const history = useHistory({ upstream, server, span, gateway: chosen() });
  const { lines, series: colours, states } = look.value;
  const now = Object.entries(servers).map(([id, { eligibility, admin }]) => {
    return [id, { state: eligibility, sinceMs: admin.sinceMs }] as const;
  });
  const windows =
    history === undefined
      ? []
      : windowsOf(history, Object.fromEntries(now)).filter(
          (one) => server === '' || one.server === server,
        );
  const seen = STATES.filter((state) => windows.some((one) => one.state === state));
  // It stands above already, beside the choice.
  const isSaid = useOverview().value?.unheard.length !== 0;
  const isSum = (history?.scope.heard.length ?? 0) > 0 && chosen() === '';
  const { startMs = 0, stepMs = 1000, slots = 0, series = [] } = history ?? {};
  const versions = series.filter(({ kind }) => kind === 'version');
  const shown = versions.length > 1 ? versions : series.filter(({ kind }) => kind !== 'version');
  const seconds = stepMs / 1000;
  const drawn = (
    colour: string,
    valuesOf: (one: HistoryDocument['series'][number]) => ChartSeries['values'],
    isArea = false,
  ): readonly ChartSeries[] =>
    shown.map((one, place) => ({
      label: shown.length === 1 ? '' : one.name.slice(0, 24),
      colour: shown.length > 1 ? (colours[place % colours.length] ?? colour) : colour,
      values: valuesOf(one),
      isArea: isArea && shown.length === 1,
    }));
  const common = {
    timesMs: Array.from({ length: slots }, (_, slot) => startMs + slot * stepMs),
    ...{ fromMs: startMs, toMs: startMs + slots * stepMs, height: 120, sync: `${upstream}` },
    windows: windows.map(({ fromMs, toMs, state }) => {
      return { fromMs, toMs, colour: states[state] ?? states['down'] ?? '' };
    }),
  };
  return (
    <section class="card pool-graphs" aria-label={text.graphs}>
      <div class="charts-head">
        <span class="tags">
          {SPANS.map((one) => (
            <button
              key={one}
              type="button"
              class="small-button"
              aria-pressed={one === span}
              onClick={() => setQuery('span', one === '5m' ? '' : one)}
            >
              {text.spans[one]}
            </button>
          ))}
        </span>
        {isSaid ? null : <Unheard names={history?.scope.unheard ?? []} />}
        {seen.length === 0 ? null : <span class="muted">{text.shaded}</span>}
        {seen.map((state) => (
          <StateMark key={state} state={state} />
        ))}
      </div>
      <div class="charts">
        <Chart
          {...common}
          title={text.perSecond}
          format={count}
          series={drawn(
            lines['requests'] ?? '',
            ({ requests }) => requests.map((many) => many / seconds),
            true,
          )}
        />
        <Chart
          {...common}
          title={isSum ? text.highestP99 : 'p99'}
          format={time}
          series={drawn(lines['time'] ?? '', ({ p99Ms }) => p99Ms)}
        />
        <Chart
          {...common}
          title={text.errorsPerSecond}
          format={count}
          series={drawn(
            lines['errors'] ?? '',
            ({ errors, failures }) =>
              errors.map((many, slot) => (many + (failures[slot] ?? 0)) / seconds),
            true,
          )}
        />
      </div>
    </section>
  );
}

function useHistory(asked: Parameters<typeof call<'history'>>[1]) {
  const question = JSON.stringify(asked);
  const { span } = asked;
  const [known, setKnown] = useState<HistoryDocument | undefined>(undefined);
  useEffect(() => {
    let isOver = false;
    const ask = (): void => {
      // Hidden or lost: nothing new is to be shown.
      if (link.peek().state !== 'live') return;
      call('history', asked).then(
        (history) => isOver || setKnown(history),
        () => {},
      );
    };
    const stop = link.subscribe(ask);
    const timer = setInterval(ask, REFRESH_MS[span]);
    return () => {
      isOver = true;
      stop();
      clearInterval(timer);
    };
  }, [question]);
  return known?.span === span ? known : undefined;
}
