// Histograms whose buckets were counted elsewhere, as Prometheus text; prom-client's own only takes
// observations. Classic ones: a native histogram has no form in text, and the bounds must be fixed so
// that the figures of workers, and of gateways in a query, add up.

import { Histogram, type OpenMetricsContentType, type Registry } from 'prom-client';
import { DURATION_BOUNDS_MS } from '../../model.ts';

/** Of text or of OpenMetrics. */
export type AnyRegistry = Registry | Registry<OpenMetricsContentType>;

/** One request whose time is among those. */
export type Exemplar = {
  readonly requestId: string;
  /** '' = none. */
  readonly traceId: string;
  readonly ms: number;
  /** The Unix clock. */
  readonly timeMs: number;
};

export type Timed = {
  readonly labels: Readonly<Record<string, string>>;
  /** So many in each bucket, the last one without an upper bound. */
  readonly buckets: readonly number[];
  readonly sumMs: number;
  /** In OpenMetrics the newest one of each bucket is shown. */
  readonly exemplars?: readonly Exemplar[];
};

export type TimeHistogramOptions = {
  readonly name: string;
  readonly help: string;
  readonly registers: AnyRegistry[];
  /** Upper bounds of the buckets, ms; those of DURATION_BOUNDS_MS are among them and are shown. */
  readonly boundsMs: readonly number[];
  readonly timed: readonly Timed[];
};

/** Names and values of an exemplar's labels together; more is refused (OpenMetrics 1.0). */
const EXEMPLAR_LENGTH_MAX = 128;

type Values = ReturnType<Histogram<string>['get']>;

/** In seconds, with the bounds of DURATION_BOUNDS_MS. */
export class TimeHistogram extends Histogram<string> {
  readonly #options: TimeHistogramOptions;
  readonly #empty: Histogram<string>;

  constructor(options: TimeHistogramOptions) {
    const { name, help, registers } = options;
    super({ name, help, registers });
    this.#options = options;
    this.#empty = new Histogram({ name, help, registers: [] });
  }

  /** What the registry calls when it writes text (and `get` for anything else). */
  getForPromString(): Values {
    return this.get();
  }

  override async get(): Values {
    const { boundsMs, timed } = this.#options;
    const shape = await this.#empty.get();
    const values = timed.flatMap(({ labels, buckets, sumMs, exemplars = [] }) => {
      const series: typeof shape.values = [];
      let total = 0;
      let leastMs = -1;
      for (const [place, count] of buckets.entries()) {
        total += count;
        const bound = boundsMs[place];
        if (bound !== undefined && !DURATION_BOUNDS_MS.includes(bound)) continue;
        const le = bound === undefined ? '+Inf' : bound / 1000;
        const exemplar = exemplarIn(exemplars, leastMs, bound ?? Number.POSITIVE_INFINITY);
        leastMs = bound ?? leastMs;
        series.push({
          ...{ metricName: `${shape.name}_bucket`, labels: { ...labels, le }, value: total },
          ...exemplar,
        });
      }
      return [
        ...series,
        { metricName: `${shape.name}_sum`, labels, value: sumMs / 1000 },
        { metricName: `${shape.name}_count`, labels, value: total },
      ];
    });
    return { ...shape, values };
  }
}

/** The newest one with more than `leastMs` and at most `mostMs`, as prom-client writes it. */
function exemplarIn(exemplars: readonly Exemplar[], leastMs: number, mostMs: number) {
  const found = exemplars
    .filter(({ ms }) => ms > leastMs && ms <= mostMs)
    .reduce<Exemplar | undefined>(
      (last, one) => (one.timeMs > (last?.timeMs ?? -1) ? one : last),
      undefined,
    );
  if (found === undefined) return {};
  const { requestId, traceId, ms, timeMs } = found;
  const labelSet = { request_id: requestId, ...(traceId === '' ? {} : { trace_id: traceId }) };
  const { length } = Object.entries(labelSet).flat().join('');
  if (length > EXEMPLAR_LENGTH_MAX) return {};
  return { exemplar: { labelSet, value: ms / 1000, timestamp: timeMs / 1000 } };
}
