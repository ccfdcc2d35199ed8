// What is written on the connection, byte for byte, below and above the size that is sent as one text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, header, sendRaw, startEmbedded } from '../../../../test/support/registry/builders.ts';
import { Sent } from './http-answer.ts';

test('a body of any bytes and any size arrives as it is stored', async (t) => {
  const { store, address } = await startEmbedded(t);
  for (const bytes of [0, 1, 255, 8_191, 8_192, 8_193, 70_000]) {
    const value = Buffer.from(Array.from({ length: bytes }, (_, at) => (at * 7) % 256));
    await store.put('some', value);
    const answer = await ask(address, 'GET /v1/kv/some?raw');
    assert.equal(Buffer.compare(Buffer.from(answer.body, 'latin1'), value), 0, `${bytes} bytes`);
    assert.equal(header(answer, 'Content-Length'), String(bytes));
    const head = await ask(address, 'HEAD /v1/kv/some?raw');
    assert.equal(head.body, '');
  }
});

test('an answer that was sent to others already is in the form that each request asks for', async (t) => {
  const { store, address } = await startEmbedded(t);
  const last = 'GET /v1/kv/?recurse HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  const requests: readonly (readonly [string, string])[] = [
    ['GET', ''],
    ['GET', ''],
    ['HEAD', ''],
    ['GET', 'Accept-Encoding: gzip\r\n'],
    ['GET', 'Connection: close\r\n'],
  ];
  const answers = async (): Promise<string[]> => {
    const texts: string[] = [];
    for (const [method, fields] of requests) {
      const request = `${method} /v1/kv/?recurse HTTP/1.1\r\nHost: x\r\n${fields}\r\n`;
      const { headers, body } = await sendRaw(address, request + last);
      texts.push([...headers, '', body].join('\r\n').replaceAll(/Date: .*/g, 'Date'));
    }
    for (const keep of ['', 'Connection: keep-alive\r\n']) {
      const { headers } = await sendRaw(
        address,
        `GET /v1/kv/?recurse HTTP/1.0\r\n${keep}\r\n${last}`,
      );
      texts.push(headers.join('\r\n').replaceAll(/Date: .*/g, 'Date'));
    }
    return texts;
  };
  await store.put('some', Buffer.from('\x00\xff', 'latin1'));
  const [first, second, head, gzip, close, old, oldKept] = await answers();
  assert.equal(first, second);
  assert.match(first ?? '', /"Key":"some".*\r?\n?HTTP\/1\.1 200 OK/s, 'two answers');
  assert.doesNotMatch(first ?? '', /Connection: keep-alive/);
  assert.doesNotMatch(head ?? '', /"Key":"some".*HTTP\/1\.1 200 OK/s);
  assert.match(gzip ?? '', /Content-Encoding: gzip/);
  assert.match(close ?? '', /^(?!.*HTTP).*Connection: close/s);
  assert.doesNotMatch(old ?? '', /Connection: keep-alive/);
  assert.match(oldKept ?? '', /Connection: keep-alive/);
});

test('what was sent is not sent again in another second, because of its Date', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_900 });
  const sent = new Sent<string>();
  assert.equal(sent.fresh, undefined);
  sent.keep('HTTP/1.1 200 OK');
  t.mock.timers.tick(99);
  assert.equal(sent.fresh, 'HTTP/1.1 200 OK');
  t.mock.timers.tick(1);
  assert.equal(sent.fresh, undefined);
});
