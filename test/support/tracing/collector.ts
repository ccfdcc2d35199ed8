// A collector of OpenTelemetry on a loopback port: takes OTLP over HTTP in JSON, and answers as it is told to.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { until } from '../base/until.ts';

type Value = { readonly stringValue?: string; readonly intValue?: number | string };
type Attribute = { readonly key: string; readonly value: Value };

/** As it came; `attributes` as a map. */
export type GotSpan = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  /** 2 server, 3 client. */
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly flags?: number;
  readonly status: { readonly code?: number };
  readonly attributes: Readonly<Record<string, string | number>>;
};

export type Collector = {
  readonly endpoint: string;
  readonly spans: GotSpan[];
  /** Of each request that came: its path. */
  readonly paths: string[];
  readonly resources: Readonly<Record<string, string | number>>[];
  /** 0: no answer at all. */
  status: number;
  /** Resolves when so many spans have come. */
  got(count: number): Promise<void>;
};

export async function startCollector(t: TestContext): Promise<Collector> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      collector.paths.push(request.url ?? '');
      if (collector.status === 200) read(Buffer.concat(chunks).toString('utf8'));
      if (collector.status !== 0) response.writeHead(collector.status).end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  const collector: Collector = {
    endpoint: `http://127.0.0.1:${port}/v1/traces`,
    ...{ spans: [], paths: [], resources: [], status: 200 },
    got: (count) => until(() => collector.spans.length >= count),
  };
  const read = (text: string): void => {
    for (const { resource, scopeSpans } of JSON.parse(text).resourceSpans) {
      collector.resources.push(mapOf(resource.attributes));
      for (const { spans } of scopeSpans)
        for (const { attributes, ...span } of spans)
          collector.spans.push({ ...span, attributes: mapOf(attributes) });
    }
  };
  return collector;
}

function mapOf(attributes: readonly Attribute[]): Record<string, string | number> {
  return Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue } }) => [
      key,
      stringValue ?? Number(intValue),
    ]),
  );
}
