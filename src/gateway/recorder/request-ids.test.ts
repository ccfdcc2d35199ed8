import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientIdIn, RequestIds, traceIdIn } from './request-ids.ts';

test('ids differ, within a process and between processes', () => {
  const [one, other] = [new RequestIds(), new RequestIds()];
  const ids = [one.idOf(''), one.idOf(''), other.idOf(''), other.idOf('')];
  assert.equal(new Set(ids).size, 4);
  for (const id of ids) assert.match(id, /^[0-9a-f]{24}$/);
});

test("a client's id is taken where the configuration says so, and where it is harmless", () => {
  const ids = new RequestIds('gw-');
  assert.equal(ids.idOf('mine'), 'gw-00000001');
  ids.mode = 'send';
  assert.equal(ids.idOf('mine'), 'gw-00000002');
  ids.mode = 'trust';
  assert.equal(ids.idOf('mine'), 'mine');
  assert.equal(ids.idOf('Root=1-67891233-abcdef'), 'Root=1-67891233-abcdef');
  for (const bad of ['', 'a b', 'a"b', "a'b", 'a\nb', 'a\xe9', '<b>', 'x'.repeat(129)]) {
    assert.match(ids.idOf(bad), /^gw-/, bad);
  }
});

test('the ids of a client and of a trace are found among its fields, or none is', () => {
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  const fields = (value: string) => `Accept: a\r\n${value}\r\nZ: z\r\n`;
  assert.equal(clientIdIn(fields('x-request-ID: abc')), 'abc');
  assert.equal(clientIdIn(fields('X-Request-Id: a b')), '');
  assert.equal(clientIdIn(fields(`X-Request-Id: ${'a'.repeat(200_000)}`)), '');
  assert.equal(clientIdIn(fields('Not-X-Request-Id: abc')), '');
  assert.equal(traceIdIn(fields(`traceparent: 00-${trace}-00f067aa0ba902b7-01`)), trace);
  assert.equal(traceIdIn(fields(`traceparent: 00-${'0'.repeat(32)}-00f067aa0ba902b7-01`)), '');
  assert.equal(traceIdIn(fields('traceparent: nonsense')), '');
});
