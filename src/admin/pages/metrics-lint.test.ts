// The metrics by the rules of Prometheus: what `promtool check metrics` would say of them. The judge is
// tried first: it finds each fault.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { server, socketMetrics, status, upstream } from '../../../test/support/admin/documents.ts';
import { metricsComplaints } from '../../../test/support/admin/metrics-lint.ts';
import { needPromtool } from '../../../test/support/peers/promtool.ts';
import {
  countAnswer,
  createServerCounters,
  createUpstreamCounters,
  recordDuration,
  recordHead,
} from '../../model.ts';
import { type MetricsFormat, metricsFormat, renderMetrics, type ToldRequest } from '../pages.ts';

const GOOD = '# HELP a_total A.\n# TYPE a_total counter\na_total{b="c"} 1\n';
const TIMES = `# HELP t_seconds T.\n# TYPE t_seconds histogram\nt_seconds_bucket{le="1"} 1\nt_seconds_bucket{le="+Inf"} 2
t_seconds_sum 3\nt_seconds_count 2\n`;

const FAULTS: readonly (readonly [text: string, complaint: RegExp])[] = [
  [GOOD.trimEnd(), /no end/],
  [GOOD.replace('A.', ''), /no help/],
  [GOOD.replace('# HELP a_total A.\n', ''), /no help/],
  [GOOD.replace('# TYPE a_total counter\n', ''), /no type/],
  [GOOD.replace('counter', 'gauge'), /gauge with _total/],
  [GOOD.replaceAll('_total', ''), /no _total/],
  [GOOD.replaceAll('a_total', 'a_ms_total'), /seconds or bytes/],
  [GOOD.replaceAll('a_total', 'aB_total'), /snake_case/],
  [GOOD.replace('1\n', '-1\n'), /below 0/],
  [GOOD.replace('1\n', 'one\n'), /value one/],
  [GOOD.replace('"c"', '"c"d"'), /labels/],
  [GOOD.replace('b="c"', 'le="c"'), /label le/],
  [`${GOOD}a_total{b="c"} 2\n`, /twice/],
  [`${GOOD}${GOOD}`, /twice/],
  [`${GOOD}other 2\n`, /family/],
  [TIMES.replace('{le="1"} 1', '{le="1"} 3'), /does not rise/],
  [TIMES.replace('t_seconds_bucket{le="+Inf"} 2\n', ''), /no \+Inf/],
  [TIMES.replace('count 2', 'count 1'), /its count/],
  [TIMES.replace('t_seconds_sum 3\n', ''), /no sum/],
];

test('the judge finds each fault, and none in a good text', () => {
  assert.deepEqual(metricsComplaints(GOOD), []);
  assert.deepEqual(metricsComplaints(TIMES), []);
  for (const [text, complaint] of FAULTS) {
    assert.match(metricsComplaints(text).join('\n'), complaint, text);
  }
});

function metrics(
  format: MetricsFormat = 'text',
  told: readonly ToldRequest[] = [],
): Promise<string> {
  const ids = ['10.0.0.1:80', '[::1]:80', 'name "quoted"\\:80', 'silent:80'];
  const counters = createUpstreamCounters();
  recordDuration(counters, 7);
  const servers = ids.map((id, place) => {
    const counted = createServerCounters();
    if (place === 3) return { id, counters: counted };
    countAnswer(counted, 200);
    for (const ms of [0, 0.4, 3, 3, 80, 99_000]) recordHead(counted, ms);
    return { id, counters: counted };
  });
  const names = ['app', 'other "app"\n'];
  const described = ids.map((id) => server(id));
  const source = {
    status: status(names.map((name) => upstream(name, described))),
    ...{ workerCrashes: 1, sockets: socketMetrics(), told },
    upstreams: names.map((name) => ({ name, counters, servers })),
  };
  return renderMetrics(source, format);
}

test('the metrics are as Prometheus wants them', async () => {
  assert.deepEqual(metricsComplaints(await metrics()), []);
});

test('a server that never answered has no histogram, and each time is below its bound', async () => {
  const lines = new Set((await metrics()).split('\n'));
  const name = 'sluice_server_response_head_seconds';
  for (const [le, value] of [
    ...([
      ['0.001', 2],
      ['0.002', 2],
      ['0.005', 4],
      ['0.1', 5],
      ['60', 5],
      ['+Inf', 6],
    ] as const),
  ]) {
    const line = `${name}_bucket{upstream="app",server="10.0.0.1:80",le="${le}"} ${value}`;
    assert(lines.has(line), line);
  }
  assert(![...lines].some((line) => line.startsWith(`${name}_count`) && line.includes('silent')));
  assert(
    ![...lines].some((line) => line.includes('le="0.0015"')),
    'no more bounds than of durations',
  );
});

test('promtool finds nothing in the text, and reads the OpenMetrics', async (t) => {
  const promtool = needPromtool(t);
  if (promtool === undefined) return;
  assert.equal(await promtool.checkMetrics(await metrics()), '');
  assert.equal(await promtool.readOpenMetrics(await metrics('openmetrics')), '');
  // The judge tells good from bad.
  assert.notEqual(await promtool.checkMetrics(GOOD.replaceAll('_total', '')), '');
  assert.notEqual(await promtool.readOpenMetrics(await metrics()), '');
});

test('OpenMetrics has the samples of the text, a counter its family without _total, and an end', async () => {
  const [text, open] = [await metrics(), await metrics('openmetrics')];
  const samples = (of: string): string[] => of.split('\n').filter((line) => /^[^#]/.test(line));
  assert.deepEqual(samples(open), samples(text));
  assert.match(open, /^# TYPE sluice_worker_crashes counter\nsluice_worker_crashes_total 1$/m);
  assert.match(open, /\n# EOF\n$/);
});

const ACCEPTED: readonly (readonly [accept: string, format: MetricsFormat])[] = [
  ['', 'text'],
  ['*/*', 'text'],
  ['text/html,application/xhtml+xml,*/*;q=0.8', 'text'],
  ['application/openmetrics-text', 'openmetrics'],
  ['application/openmetrics-text; version=1.0.0; charset=utf-8', 'openmetrics'],
  ['application/openmetrics-text; version=0.0.1', 'text'],
  ['application/openmetrics-text; version=1.0.0; q=0', 'text'],
  ['application/openmetrics-text;q=x', 'text'],
  ['application/openmetrics-text;q=0.3,text/plain;q=0.5', 'text'],
  // Prometheus 2.42, and 3 with and without native histograms.
  [
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    'openmetrics',
  ],
  [
    'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;q=0.3,*/*;q=0.2',
    'openmetrics',
  ],
  ['TEXT/PLAIN;version=0.0.4', 'text'],
  [`${'a/b,'.repeat(1000)}application/openmetrics-text`, 'text'],
];

test('the form of the metrics is the one that the scraper prefers', () => {
  for (const [accept, format] of ACCEPTED) assert.equal(metricsFormat(accept), format, accept);
});

const TOLD: ToldRequest = {
  ...{ requestId: 'r1', traceId: 'a'.repeat(32), upstream: 'app', server: '10.0.0.1:80' },
  ...{ ms: 7, headMs: 3, timeMs: 1_700_000_000_123 },
};

test('a bucket of OpenMetrics has the newest request of its range that can be asked about', async (t) => {
  const text = await metrics('openmetrics', [
    TOLD,
    { ...TOLD, requestId: 'older', timeMs: 1_700_000_000_000 },
    { ...TOLD, requestId: 'last', traceId: '', ms: 10.1, headMs: 70_000 },
    { ...TOLD, requestId: 'x'.repeat(128), ms: 300 },
    { ...TOLD, upstream: 'gone' },
  ]);
  const exemplars = text.split('\n').flatMap((line) => {
    const [, name, le, exemplar] = /^(\w+)_bucket.*le="([^"]+)".* # (.*)$/.exec(line) ?? [];
    return exemplar === undefined ? [] : [`${name} ${le} ${exemplar}`];
  });
  const both = `{request_id="r1",trace_id="${TOLD.traceId}"}`;
  assert.deepEqual(exemplars, [
    `sluice_upstream_duration_seconds 0.01 ${both} 0.007 1700000000.123`,
    'sluice_upstream_duration_seconds 0.025 {request_id="last"} 0.0101 1700000000.123',
    `sluice_server_response_head_seconds 0.005 ${both} 0.003 1700000000.123`,
    'sluice_server_response_head_seconds +Inf {request_id="last"} 70 1700000000.123',
  ]);
  assert.doesNotMatch(await metrics('text', [TOLD]), / # \{/);
  const promtool = needPromtool(t);
  if (promtool !== undefined) assert.equal(await promtool.readOpenMetrics(text), '');
});
