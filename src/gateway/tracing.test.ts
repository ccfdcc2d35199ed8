// Traces through the gateway: W3C's field read, passed and made, and the spans that a collector gets.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  closedPort,
  type GatewayPatch,
  rawExchange,
  startGateway,
  startHello,
} from '../../test/support/gateway/builders.ts';
import { startCollector } from '../../test/support/tracing/collector.ts';
import { silentLog } from '../base/log.ts';
import { SpanExport } from '../tracing.ts';
import { parseTraceparent } from './tracing.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const SAMPLED = `00-${TRACE}-${PARENT}-01`;
const HEAD = 'GET /a?token=secret HTTP/1.1\r\nHost: app.example\r\n';
const END = 'Connection: close\r\n\r\n';

test('a traceparent is what the standard says, or none', () => {
  const known = { traceId: TRACE, parentId: PARENT, isSampled: true };
  for (const value of [SAMPLED, `01-${TRACE}-${PARENT}-01-more`, `cc-${TRACE}-${PARENT}-ff`])
    assert.deepEqual(parseTraceparent(value), known, value);
  assert.deepEqual(parseTraceparent(`00-${TRACE}-${PARENT}-02`), { ...known, isSampled: false });
  for (const value of [
    ...[
      '',
      'x',
      `ff-${TRACE}-${PARENT}-01`,
      `00-${TRACE}-${PARENT}-01-more`,
      `00-${TRACE}-${PARENT}`,
    ],
    ...[`00-${'0'.repeat(32)}-${PARENT}-01`, `00-${TRACE}-${'0'.repeat(16)}-01`],
    ...[
      `00-${TRACE.toUpperCase()}-${PARENT}-01`,
      `00-${TRACE}-${PARENT}-1`,
      `01-${TRACE}-${PARENT}-01x`,
    ],
    ...[`00_${TRACE}_${PARENT}_01`, `00-${TRACE}-${PARENT}-01 `, `${SAMPLED},${SAMPLED}`],
  ])
    assert.equal(parseTraceparent(value), undefined, value);
});

async function traced(
  t: TestContext,
  ports: readonly number[],
  patch: GatewayPatch & { readonly sampleShare?: number } = {},
) {
  const collector = await startCollector(t);
  const { sampleShare = 1, ...rest } = patch;
  const tracing = { endpoint: collector.endpoint, sampleShare, service: 'sluice' };
  const started = await startGateway(t, ports, { tracing, ...rest }, undefined, {
    openSpans: (config, counts) =>
      new SpanExport({ ...config, counts, version: '0', log: silentLog }),
  });
  return { collector, ...started };
}

/** The field lines of this name that a server got. */
function sentFields(received: string, name: string): string[] {
  return [...received.matchAll(new RegExp(`^${name}: (.*)\r$`, 'gim'))].map(
    ([, value = '']) => value,
  );
}

test('without tracing the fields of a trace pass byte for byte', async (t) => {
  const server = await startHello(t);
  const { port, gateway } = await startGateway(t, [server.port]);
  const fields = `TraceParent: ${SAMPLED}\r\ntracestate: a=b , c=d\r\ntraceparent: odd\r\n`;
  await rawExchange(t, port, `${HEAD}${fields}${END}`);
  assert(server.received[0]?.includes(fields), server.received[0]);
  assert.equal(gateway.figures().spansExported, 0);
});

test("a client's trace goes on: one span for the exchange, one for the attempt that the server sees", async (t) => {
  const server = await startHello(t);
  const { collector, port, gateway } = await traced(t, [server.port]);
  await rawExchange(t, port, `${HEAD}traceparent: ${SAMPLED}\r\nTracestate: a=b\r\n${END}`);
  await collector.got(2);
  await gateway.close(0);
  const [ofServer, ofClient] = collector.spans;
  assert(ofServer && ofClient && collector.spans.length === 2);
  assert.deepEqual([ofServer.traceId, ofServer.parentSpanId, ofServer.kind], [TRACE, PARENT, 2]);
  assert.deepEqual(
    [ofClient.traceId, ofClient.parentSpanId, ofClient.kind],
    [TRACE, ofServer.spanId, 3],
  );
  const received = server.received[0] ?? '';
  assert.deepEqual(sentFields(received, 'traceparent'), [`00-${TRACE}-${ofClient.spanId}-01`]);
  assert.deepEqual(sentFields(received, 'tracestate'), ['a=b']);
  const { attributes } = ofServer;
  assert.equal(ofServer.name, 'GET /');
  assert.equal(attributes['http.request.method'], 'GET');
  assert.equal(attributes['http.response.status_code'], 200);
  assert.equal(attributes['url.path'], '/a');
  assert.equal(attributes['url.query'], 'token=*', 'no secrets');
  assert.equal(attributes['server.address'], 'app.example');
  assert.equal(attributes['client.address'], '127.0.0.1');
  assert.equal(attributes['sluice.upstream'], 'app');
  assert.match(String(attributes['sluice.request_id']), /^[\da-f]+$/);
  assert.equal(ofClient.attributes['server.port'], server.port);
  assert.equal(ofClient.attributes['url.full'], `http://127.0.0.1:${server.port}/a?token=*`);
  assert(BigInt(ofServer.startTimeUnixNano) <= BigInt(ofClient.startTimeUnixNano));
  assert(BigInt(ofServer.endTimeUnixNano) >= BigInt(ofClient.endTimeUnixNano));
  assert.equal(gateway.figures().spansExported, 2);
});

test('an attempt that fails is a span of its own', async (t) => {
  const server = await startHello(t);
  const dead = await closedPort();
  const { collector, port, gateway } = await traced(t, [dead, server.port]);
  await rawExchange(t, port, HEAD + END);
  await collector.got(3);
  await gateway.close(0);
  const [ofServer, failed, answered] = collector.spans;
  assert(ofServer && failed && answered && collector.spans.length === 3);
  assert.equal(ofServer.parentSpanId ?? '', '', 'it begins here');
  assert.equal(failed.parentSpanId, ofServer.spanId);
  assert.equal(answered.parentSpanId, ofServer.spanId);
  assert.deepEqual([failed.status.code, answered.status.code ?? 0], [2, 0]);
  assert.equal(failed.attributes['server.port'], dead);
  assert.equal(failed.attributes['error.type'], 'attempt_failed');
  assert.equal(failed.attributes['http.request.resend_count'], undefined);
  assert.equal(answered.attributes['http.request.resend_count'], 1);
  const received = server.received[0] ?? '';
  assert.deepEqual(sentFields(received, 'traceparent'), [
    `00-${ofServer.traceId}-${answered.spanId}-01`,
  ]);
});

test('what the gateway answers itself has a span, which is an error', async (t) => {
  const { collector, port, gateway } = await traced(t, []);
  await rawExchange(t, port, HEAD + END);
  await collector.got(1);
  await gateway.close(0);
  const [span] = collector.spans;
  assert.equal(collector.spans.length, 1);
  assert.deepEqual([span?.status.code, span?.attributes['error.type']], [2, '503']);
});

test('a parent that is not valid begins a new trace, and its state goes', async (t) => {
  const server = await startHello(t);
  const { collector, port, gateway } = await traced(t, [server.port]);
  const twice = `traceparent: ${SAMPLED}\r\ntraceparent: ${SAMPLED}\r\n`;
  for (const fields of [`traceparent: 00-${TRACE}-0-01\r\n`, twice])
    await rawExchange(t, port, `${HEAD}${fields}tracestate: a=b\r\nX-Other: c\r\n${END}`);
  await collector.got(4);
  await gateway.close(0);
  assert.equal(collector.spans.length, 4);
  const received = server.received.join('');
  const parents = sentFields(received, 'traceparent');
  assert.equal(parents.length, 2);
  for (const parent of parents)
    assert(parseTraceparent(parent)?.isSampled === true && !parent.includes(TRACE), parent);
  assert.deepEqual(sentFields(received, 'tracestate'), []);
  assert.deepEqual(sentFields(received, 'X-Other'), ['c', 'c']);
});

test('what is not sampled has no span, and the server is told so', async (t) => {
  const server = await startHello(t);
  const { collector, port, gateway } = await traced(t, [server.port], { sampleShare: 0 });
  await rawExchange(t, port, HEAD + END);
  await rawExchange(t, port, `${HEAD}traceparent: 00-${TRACE}-${PARENT}-00\r\n${END}`);
  await rawExchange(t, port, `${HEAD}traceparent: ${SAMPLED}\r\n${END}`);
  await collector.got(2);
  await gateway.close(0);
  // The client's flag counts, whatever share of our own traces is sampled.
  assert.equal(collector.spans.length, 2);
  const parents = sentFields(server.received.join(''), 'traceparent');
  const flags = parents.map((parent) => parent.slice(-2));
  assert.deepEqual(flags, ['00', '00', '01']);
});

test('requests are answered whatever becomes of the spans', async (t) => {
  const server = await startHello(t);
  const { collector, port, gateway } = await traced(t, [server.port]);
  collector.status = 0;
  for (let count = 0; count < 5; count += 1)
    assert.match(await rawExchange(t, port, HEAD + END), /hello$/);
  await gateway.close(0);
  assert.equal(collector.spans.length, 0);
});
