// OpenTelemetry's own exporter, OTLP over HTTP with JSON: what our spans are in its words. It tries again for a few
// seconds where the collector says that this makes sense. It reads OTEL_EXPORTER_OTLP_HEADERS and its like itself.

import { hostname } from 'node:os';
import { type HrTime, type SpanContext, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { SpanData } from '../model.ts';
import type { Exporter, SpanExportOptions } from './span-export.ts';

type ReadableSpan = Parameters<OTLPTraceExporter['export']>[0][number];

/** Of one batch, tries included, ms. */
const TIMEOUT_MS = 5000;
const SAMPLED = 1;

export function openOtlpExporter(options: SpanExportOptions): Exporter {
  const { endpoint, service, version } = options;
  const exporter = new OTLPTraceExporter({ url: endpoint, timeoutMillis: TIMEOUT_MS });
  const resource = resourceOf({
    ...{ 'service.name': service, 'service.version': version },
    ...{ 'service.instance.id': `${hostname()}:${process.pid}` },
    ...{ 'host.name': hostname(), 'process.pid': process.pid },
  });
  const scope = { name: 'sluice', version };
  return {
    send: (spans) =>
      new Promise((resolve, reject) => {
        const batch = spans.map((span) => readable(span, { resource, scope }));
        exporter.export(batch, ({ code, error }) => {
          if (code === 0) resolve();
          else reject(error ?? new Error('the collector did not take them'));
        });
      }),
    close: () => exporter.shutdown(),
  };
}

type Common = {
  readonly resource: ReadableSpan['resource'];
  readonly scope: ReadableSpan['instrumentationScope'];
};

function readable(span: SpanData, { resource, scope }: Common): ReadableSpan {
  const { traceId, parentId, isParentRemote, kind, startMs, endMs, isError } = span;
  const context = { traceId, spanId: span.spanId, traceFlags: SAMPLED };
  const parent: SpanContext = {
    traceId,
    spanId: parentId,
    traceFlags: SAMPLED,
    isRemote: isParentRemote,
  };
  return {
    name: span.name,
    kind: kind === 'server' ? SpanKind.SERVER : SpanKind.CLIENT,
    spanContext: () => context,
    ...(parentId === '' ? {} : { parentSpanContext: parent }),
    ...{ startTime: hrTime(startMs), endTime: hrTime(endMs), duration: hrTime(endMs - startMs) },
    status: { code: isError ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
    ...{ attributes: span.attributes, links: [], events: [], ended: true },
    ...{ resource, instrumentationScope: scope },
    ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
  };
}

function resourceOf(attributes: Record<string, string | number>): ReadableSpan['resource'] {
  const resource: ReadableSpan['resource'] = {
    attributes,
    merge: () => resource,
    getRawAttributes: () => Object.entries(attributes),
  };
  return resource;
}

/** Seconds and nanoseconds. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
