// Which of its two forms the metrics have in an answer, by what the scraper says it accepts. OpenMetrics is
// for those that ask for it by name, as Prometheus does: a browser and curl get the plain text.

/** text: version 0.0.4, which every Prometheus reads. openmetrics: the same with exemplars. */
export type MetricsFormat = 'text' | 'openmetrics';

export const METRICS_CONTENT_TYPES = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const satisfies Readonly<Record<MetricsFormat, string>>;

const ACCEPT_LENGTH_MAX = 1000;

/** **Source:** RFC 9110 12.5.1; OpenMetrics 1.0, "Overall structure". */
export function metricsFormat(accept: string): MetricsFormat {
  let text = 0;
  let openMetrics = 0;
  let any = 0;
  for (const range of accept.slice(0, ACCEPT_LENGTH_MAX).toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const quality = qualityOf(parameters);
    const version = parameters.find((each) => each.startsWith('version='))?.slice(8) ?? '1.0.0';
    if (type === 'application/openmetrics-text' && /^"?1\.0\.0"?$/.test(version))
      openMetrics = Math.max(openMetrics, quality);
    else if (type === 'text/plain' || type === 'text/*') text = Math.max(text, quality);
    else if (type === '*/*') any = Math.max(any, quality);
  }
  return openMetrics > 0 && openMetrics >= Math.max(text, any) ? 'openmetrics' : 'text';
}

function qualityOf(parameters: readonly string[]): number {
  const given = parameters.find((each) => each.startsWith('q='))?.slice(2);
  if (given === undefined) return 1;
  return /^[01](\.\d{0,3})?$/.test(given) ? Number(given) : 0;
}
