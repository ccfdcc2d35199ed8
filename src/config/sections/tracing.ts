// The schema of tracing: where spans go, and of how many requests.

import type { TracingConfig } from '../types.ts';
import { section } from './shapes.ts';
import { percent, text } from './values.ts';

export const tracing = section(
  'Spans of requests, sent to a collector of OpenTelemetry: [observability](observability.md#traces).',
  {
    endpoint: text({
      about:
        'The collector, by OTLP over HTTP, like `http://127.0.0.1:4318`; without a path `/v1/traces` is added. `off`: no spans, and `traceparent` passes as any other field.',
      kind: 'URL',
      problemOf: endpointProblem,
    }).prefault('off'),
    sample: percent({
      about:
        'Of the traces that begin here. A trace that a client has begun is sampled as its `traceparent` says.',
      initial: '10%',
    }),
    service: text({
      about: 'What the gateway is called in traces (`service.name`).',
      kind: 'name',
      problemOf: (value) =>
        /^\S{1,100}$/.test(value) ? '' : 'is no name; write a word like sluice',
    }).prefault('sluice'),
  },
);

type TracingFile = { readonly endpoint: string; readonly sample: number; readonly service: string };

export function tracingOf({ endpoint, sample, service }: TracingFile): TracingConfig {
  return { endpoint: endpointUrl(endpoint), sampleShare: sample, service };
}

/** '' = off. */
function endpointUrl(endpoint: string): string {
  if (endpoint === 'off') return '';
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = '/v1/traces';
  return url.href;
}

function endpointProblem(value: string): string {
  if (value === 'off') return '';
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === '')
    return `${JSON.stringify(value)} is no URL; write off, or one like http://127.0.0.1:4318`;
  if (url.port === '4317')
    return `${JSON.stringify(value)} is the port of gRPC, which is not spoken; write http://${url.hostname}:4318`;
  return url.username === '' && url.password === ''
    ? ''
    : 'has a password in it; set OTEL_EXPORTER_OTLP_HEADERS in the environment instead';
}
