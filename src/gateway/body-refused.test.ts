// A request's body that turns out not to be HTTP: the client learns it, in no place where it could be
// taken for a part of an answer, and the server never has a whole request.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulate } from '../../test/support/gateway/simulated.ts';

const POST = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n';

for (const [what, begun, expected] of [
  ['before an answer is a 400', '', /^HTTP\/1\.1 400 [\s\S]*sluice: /],
  [
    'within an answer cuts it, with nothing behind what was sent',
    'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf',
    /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nhalf$/,
  ],
] as const) {
  test(`a bad chunk ${what}`, async (t) => {
    const { app, servers, client, pass } = await simulate(t, {});
    const bad = client();
    bad.send(POST);
    await pass(100);
    servers[0]?.send(begun);
    await pass(100);
    bad.send('no chunk\r\n');
    await pass(100);
    assert.match(bad.text, expected);
    assert.equal(bad.isEnded, true);
    assert.equal(servers[0]?.isEnded, true);
    assert.doesNotMatch(servers[0]?.text ?? '', /\r\n0\r\n\r\n$/);
    assert.equal(app.counters.clientGone, 1);
    assert.equal(app.counters.inFlight, 0);
  });
}
