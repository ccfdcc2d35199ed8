// A gateway that is told to end now: whatever is under way is accounted for, and nothing looks complete.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulate } from '../../test/support/gateway/simulated.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

for (const [what, begun, result] of [
  ['a request without an answer is lost', '', 'lost'],
  ['a response under way is cut', 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of it', 'cut'],
] as const) {
  test(what, async (t) => {
    const { gateway, app, servers, client, pass } = await simulate(t, {});
    const waiting = client();
    waiting.send(GET);
    await pass(100);
    servers[0]?.send(begun);
    await pass(100);
    gateway.destroy();
    await pass(100);
    const { answered, lost, cut, clientGone, inFlight } = app.counters;
    const none = { answered: 0, lost: 0, cut: 0, clientGone: 0, inFlight: 0 };
    assert.deepEqual({ answered, lost, cut, clientGone, inFlight }, { ...none, [result]: 1 });
    assert.equal(app.servers[0]?.inFlight, 0);
    assert.equal(waiting.error, 'ECONNRESET');
    assert.equal(servers[0]?.isEnded, true);
  });
}
