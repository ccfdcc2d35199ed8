// The pages that others parse, byte for byte, and the metrics text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { server, socketMetrics, status, upstream } from '../../../test/support/admin/documents.ts';
import type { StatusDocument, UpstreamDocument } from '../contract.ts';
import { renderMetrics, renderPage } from '../pages.ts';

const KV_DOWN = {
  state: 'maint',
  owner: 'kv',
  reason: 'down in the registry',
  sinceMs: 1,
} as const;
const DRAIN = { state: 'drain', owner: 'user:alice', reason: '', sinceMs: 1 } as const;

const listPage = (upstreams: readonly UpstreamDocument[], query: string): string =>
  renderPage('upstream_list', query, status(upstreams)).body;
const statusPage = (document: StatusDocument, query: string): string =>
  renderPage('upstream_status', query, document).body;

const A = '127.0.0.1:28900';
const B = '127.0.0.1:28901';

test('the list is byte for byte what upsync shows', () => {
  const app = upstream('app', [server(A, { admin: KV_DOWN }), server(B)]);
  assert.equal(
    listPage([app], ''),
    'Upstream name: app; Backend server count: 2\n' +
      '        server 127.0.0.1:28900 weight=1 max_fails=2 fail_timeout=10s down;\n' +
      '        server 127.0.0.1:28901 weight=1 max_fails=2 fail_timeout=10s;\n' +
      '\n',
  );
  assert.equal(
    listPage([upstream('web', []), app], 'APP'),
    'Upstream name: app; Backend server count: 2\n' +
      '        server 127.0.0.1:28900 weight=1 max_fails=2 fail_timeout=10s down;\n' +
      '        server 127.0.0.1:28901 weight=1 max_fails=2 fail_timeout=10s;\n',
  );
});

test('the list shows primary servers, intent and not health', () => {
  const page = listPage(
    [
      upstream('app', [
        server(A, { checks: 'down', eligibility: 'down', weight: 7, failTimeoutMs: 1500 }),
        server(B, { admin: DRAIN, maxFails: 0 }),
        server('127.0.0.1:28902', { backup: true }),
      ]),
    ],
    'app',
  );
  assert.equal(
    page,
    'Upstream name: app; Backend server count: 2\n' +
      '        server 127.0.0.1:28900 weight=7 max_fails=2 fail_timeout=2s;\n' +
      '        server 127.0.0.1:28901 weight=1 max_fails=0 fail_timeout=10s down;\n',
  );
});

test('the list says when there is nothing to list', () => {
  assert.equal(listPage([], ''), 'No upstreams defined');
  assert.equal(
    listPage([upstream('app', [])], 'web'),
    'The upstream you requested does not exist. Please double-check the name',
  );
});

const STATUS = status([
  upstream('app', [
    server(A, { checks: 'down', riseCount: 0, fallCount: 4 }),
    server(B, { admin: KV_DOWN }),
  ]),
]);

test('the csv status is what the check module writes', () => {
  const page = (filter: string) => statusPage(STATUS, `format=csv&status=${filter}`);
  assert.equal(
    page(''),
    '0,app,127.0.0.1:28900,down,0,4,http,0\n1,app,127.0.0.1:28901,up,32,0,http,0\n',
  );
  assert.equal(page('up'), '1,app,127.0.0.1:28901,up,32,0,http,0\n');
  assert.equal(page('down'), '0,app,127.0.0.1:28900,down,0,4,http,0\n');
  assert.equal(page('UP'), page('up'));
  assert.equal(page('sideways'), page(''));
  assert.equal(statusPage(STATUS, 'FORMAT=Csv&Status=up&status=down'), page('up'));
  assert.equal(statusPage(status([]), 'format=csv'), '');
});

test('backups stand behind the others, whose index they do not take', () => {
  const app = status([upstream('app', [server(A, { backup: true }), server(B)])]);
  const body = statusPage({ ...app, generation: 29 }, 'format=CSV');
  assert.deepEqual(
    body.split('\n').map((line) => line.split(',').slice(0, 3).join()),
    [`0,app,${B}`, `1,app,${A}`, ''],
  );
  const html = statusPage({ ...app, generation: 29 }, '');
  assert.match(html, /server number: 2, generation: 1</);
});

test('the json status keeps the shape and is valid under every filter', () => {
  const page = (filter: string) => statusPage(STATUS, `format=json&status=${filter}`);
  assert.equal(
    page(''),
    `{"servers": {
  "total": 2,
  "generation": 1,
  "server": [
    {"index": 0, "upstream": "app", "name": "127.0.0.1:28900", "status": "down", "rise": 0, "fall": 4, "type": "http", "port": 0},
    {"index": 1, "upstream": "app", "name": "127.0.0.1:28901", "status": "up", "rise": 32, "fall": 0, "type": "http", "port": 0}
  ]
}}
`,
  );
  assert.equal(JSON.parse(page('down')).servers.server.length, 1);
  assert.equal(JSON.parse(page('up')).servers.server[0].index, 1);
  const empty = statusPage(status([]), 'format=json');
  assert.deepEqual(JSON.parse(empty), { servers: { total: 0, generation: 1, server: [] } });
});

test('the html status is what the check module writes', () => {
  const one = status([
    upstream('app', [server(A, { checks: 'down', riseCount: 0, fallCount: 4 })]),
  ]);
  assert.equal(
    statusPage(one, ''),
    `<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
  <title>Nginx http upstream check status</title>
</head>
<body>
<h1>Nginx http upstream check status</h1>
<h2>Check upstream server number: 1, generation: 1</h2>
<table style="background-color:white" cellspacing="0"        cellpadding="3" border="1">
  <tr bgcolor="#C0C0C0">
    <th>Index</th>
    <th>Upstream</th>
    <th>Name</th>
    <th>Status</th>
    <th>Rise counts</th>
    <th>Fall counts</th>
    <th>Check type</th>
    <th>Check port</th>
  </tr>
  <tr bgcolor="#FF0000">
    <td>0</td>
    <td>app</td>
    <td>127.0.0.1:28900</td>
    <td>down</td>
    <td>0</td>
    <td>4</td>
    <td>http</td>
    <td>0</td>
  </tr>
</table>
</body>
</html>
`,
  );
  const hostile = status([upstream('<b>&"', [server(A)])]);
  assert.match(statusPage(hostile, 'format=html'), /<td>&#60;b&#62;&#38;&#34;<\/td>/);
});

test('the status page lists checked servers; one without a verdict counts as it will be served', () => {
  const document = status([
    upstream('plain', [server('127.0.0.1:1', { checkType: 'none', checks: 'unknown' })]),
    upstream('app', [
      server(A, { checks: 'unknown', mustPass: true }),
      server(B, { checks: 'unknown', mustPass: false, checkType: 'tcp', checkPort: 81 }),
    ]),
  ]);
  assert.equal(
    statusPage(document, 'format=csv'),
    '0,app,127.0.0.1:28900,down,32,0,http,0\n1,app,127.0.0.1:28901,up,32,0,tcp,81\n',
  );
});

test('the metrics carry what was counted, buckets cumulative', async () => {
  const durations = new Array<number>(16).fill(0);
  durations[0] = 3;
  durations[15] = 1;
  const text = await renderMetrics({
    status: STATUS,
    workerCrashes: 2,
    sockets: socketMetrics({
      ...{ turnedAway: 2, acceptFailures: 3, tlsFailures: 6, evicted: 4, noSocket: 5 },
      upstreams: [{ name: 'app', idle: 6, inUse: 7, connects: 8 }],
    }),
    upstreams: [
      {
        name: 'app',
        counters: {
          requests: 6,
          answered: 4,
          retried: 1,
          cut: 0,
          lost: 1,
          clientGone: 1,
          tunnels: 6,
          tunnelsEnded: 1,
          tunnelsCut: 2,
          ...{ tunnelsClosed: 1, streams: 9, streamsEnded: 2, streamsClosed: 3, streamsCut: 1 },
          refused: 2,
          lastResorts: 0,
          inFlight: 0,
          statuses: [0, 0, 4, 0, 0, 1],
          durations,
          durationSumMs: 1500,
        },
        servers: [
          {
            id: A,
            counters: {
              attempts: 7,
              ...{ answered: 4, answered1xx: 0, answered2xx: 3, answered3xx: 0, answered4xx: 0 },
              answered5xx: 1,
              retried: 1,
              cut: 0,
              lost: 1,
              clientGone: 0,
              ...{ failures: 2, heads: 1, headTimes: [0, 1], headSumMs: 1 },
              tunnels: 6,
              tunnelsEnded: 1,
              tunnelsCut: 2,
              ...{ tunnelsClosed: 1, streams: 9, streamsEnded: 2, streamsClosed: 3, streamsCut: 1 },
            },
          },
        ],
      },
    ],
  });
  const lines = new Set(text.split('\n'));
  for (const line of [
    'sluice_worker_crashes_total 2',
    'sluice_generation 1',
    'sluice_client_connections 3',
    'sluice_upstream_open_streams{upstream="app"} 3',
    'sluice_upstream_stream_results_total{upstream="app",result="closed"} 3',
    'sluice_upstream_tunnel_results_total{upstream="app",result="closed"} 1',
    `sluice_server_5xx_total{upstream="app",server="${A}"} 1`,
    'sluice_gateways{state="live"} 1',
    'sluice_gateways{state="silent"} 0',
    'sluice_client_connections_max 700',
    'sluice_descriptors_open{process="worker 1"} 40',
    'sluice_descriptors_max{process="worker 1"} 1024',
    'sluice_clients_turned_away_total 2',
    'sluice_accept_failures_total 3',
    'sluice_idle_evictions_total 4',
    'sluice_no_socket_total 5',
    'sluice_upstream_connections{upstream="app",state="idle"} 6',
    'sluice_upstream_connections{upstream="app",state="in_use"} 7',
    'sluice_upstream_connects_total{upstream="app"} 8',
    'sluice_upstream_servers{upstream="app",eligibility="ok"} 2',
    'sluice_upstream_servers{upstream="app",eligibility="drain"} 0',
    'sluice_server_up{upstream="app",server="127.0.0.1:28900"} 0',
    'sluice_upstream_requests_total{upstream="app"} 6',
    'sluice_upstream_results_total{upstream="app",result="client_gone"} 1',
    'sluice_upstream_responses_total{upstream="app",class="2xx"} 4',
    'sluice_server_failures_total{upstream="app",server="127.0.0.1:28900"} 2',
    '# TYPE sluice_upstream_duration_seconds histogram',
    'sluice_upstream_duration_seconds_bucket{upstream="app",le="0.001"} 3',
    'sluice_upstream_duration_seconds_bucket{upstream="app",le="60"} 3',
    'sluice_upstream_duration_seconds_bucket{upstream="app",le="+Inf"} 4',
    'sluice_upstream_duration_seconds_sum{upstream="app"} 1.5',
    'sluice_upstream_duration_seconds_count{upstream="app"} 4',
    '# TYPE sluice_server_response_head_seconds histogram',
    `sluice_server_response_head_seconds_sum{upstream="app",server="${A}"} 0.001`,
  ]) {
    assert.ok(lines.has(line), line);
  }
});
