// Spans on their way: in batches, never without bound, dropped and counted where nobody takes them.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { until } from '../../test/support/base/until.ts';
import { closedPort } from '../../test/support/gateway/builders.ts';
import { startCollector } from '../../test/support/tracing/collector.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { SpanData } from '../model.ts';
import { SpanExport, type SpanExportOptions } from './span-export.ts';

const SPAN: SpanData = {
  ...{ traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), parentId: '', isParentRemote: false },
  ...{ kind: 'server', name: 'GET /', startMs: 1_700_000_000_000.5, endMs: 1_700_000_000_002 },
  ...{ attributes: { 'http.request.method': 'GET', 'http.response.status_code': 200 } },
  isError: false,
};

function exportTo(endpoint: string, more: Partial<SpanExportOptions> = {}) {
  const counts = { spansExported: 0, spansDropped: 0 };
  const options = { endpoint, service: 'edge', version: '1.2.3', log: silentLog, counts };
  return { counts, spans: new SpanExport({ ...options, ...more }) };
}

test('a collector gets spans as OTLP has them', async (t) => {
  const collector = await startCollector(t);
  const { spans, counts } = exportTo(collector.endpoint);
  spans.take([SPAN, { ...SPAN, kind: 'client', parentId: 'ef'.repeat(8), isError: true }]);
  await spans.close(10_000);
  assert.deepEqual(collector.paths, ['/v1/traces']);
  const [resource = {}] = collector.resources;
  assert.equal(resource['service.name'], 'edge');
  assert.equal(resource['service.version'], '1.2.3');
  const [first, second] = collector.spans;
  assert.equal(first?.traceId, SPAN.traceId);
  assert.equal(first.spanId, SPAN.spanId);
  assert.equal(first.parentSpanId ?? '', '');
  assert.equal(first.startTimeUnixNano, '1700000000000500000');
  assert.equal(first.endTimeUnixNano, '1700000000002000000');
  assert.deepEqual(first.attributes, SPAN.attributes);
  assert.deepEqual([first.kind, second?.kind], [2, 3]);
  assert.deepEqual([first.status.code ?? 0, second?.status.code], [0, 2]);
  assert.equal(second?.parentSpanId, 'ef'.repeat(8));
  assert.deepEqual(counts, { spansExported: 2, spansDropped: 0 });
});

test('a collector that is away costs spans, which are counted, and one line in the log', async () => {
  const said: string[] = [];
  const log: Log = { ...silentLog, warn: (_, message) => void said.push(message) };
  const { spans, counts } = exportTo(`http://127.0.0.1:${await closedPort()}/v1/traces`, { log });
  for (let count = 0; count < 2; count += 1) {
    spans.take(Array.from({ length: 512 }, () => SPAN));
    await until(() => counts.spansDropped === 512 * (count + 1));
  }
  await spans.close(100);
  assert.deepEqual(counts, { spansExported: 0, spansDropped: 1024 });
  assert.deepEqual(said, ['spans cannot be exported, and are dropped']);
});

test('a collector that refuses gets the next ones all the same', async (t) => {
  const collector = await startCollector(t);
  const { spans, counts } = exportTo(collector.endpoint);
  // 500 is final; 503 would be tried again for a while.
  collector.status = 500;
  spans.take(Array.from({ length: 512 }, () => SPAN));
  await until(() => counts.spansDropped === 512);
  collector.status = 200;
  spans.take([SPAN]);
  await spans.close(10_000);
  assert.deepEqual(counts, { spansExported: 1, spansDropped: 512 });
});

test('a collector that does not answer holds one batch and a bounded queue', async (t) => {
  const collector = await startCollector(t);
  collector.status = 0;
  const { spans, counts } = exportTo(collector.endpoint);
  for (let count = 0; count < 20; count += 1) spans.take(Array.from({ length: 512 }, () => SPAN));
  // One batch is on its way, 4096 wait.
  assert.equal(counts.spansDropped, 20 * 512 - 4096 - 512);
  await until(() => collector.paths.length === 1);
  await spans.close(50);
  assert.equal(counts.spansExported, 0);
  assert.equal(counts.spansDropped, 19 * 512, 'the one on its way is not known yet');
  spans.take([SPAN]);
  assert.equal(counts.spansDropped, 19 * 512 + 1);
});

test('the library is loaded when the first spans leave', async () => {
  let opened = 0;
  const open = async () => {
    opened += 1;
    return { send: async () => {}, close: async () => {} };
  };
  const none = exportTo('http://nowhere', { open });
  await none.spans.close(1000);
  assert.equal(opened, 0);
  const some = exportTo('http://nowhere', { open });
  some.spans.take([SPAN]);
  await some.spans.close(1000);
  assert.deepEqual([opened, some.counts.spansExported], [1, 1]);
});

// prom-client loads the api package, which is small.
test('a daemon without spans loads nothing of the exporter', async () => {
  const spy = `import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) {
      if (/@opentelemetry.(?!api)/.test(url)) console.log(url);
      return next(url, context);
    } });`;
  const imported = ['../gateway.ts', '../tracing.ts', '../workers.ts', '../daemon.ts']
    .map((name) => `await import(${JSON.stringify(new URL(name, import.meta.url).href)});`)
    .join('');
  const run = promisify(execFile);
  const program = `${imported} process.exit(0);`;
  const hooks = `data:text/javascript,${encodeURIComponent(spy)}`;
  const argv = ['--import', hooks, '--input-type=module', '-e', program];
  assert.equal((await run(process.execPath, argv)).stdout, '');
});
