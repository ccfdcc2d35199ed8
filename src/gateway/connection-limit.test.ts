// A gateway with as many clients as it may have: whoever comes is told so, and so is the log.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { gatewayConfig, RawClient } from '../../test/gateway-builders.ts';
import { silentLog } from '../base/log.ts';
import { Gateway } from '../gateway.ts';
import { UpstreamSet } from '../upstream.ts';

test('a client too many gets 503, and the log says once what to raise', async (t) => {
  const said: string[] = [];
  let nowMs = 0;
  const gateway = new Gateway({
    config: gatewayConfig({ limits: { connectionsMax: 1 } }),
    log: {
      ...silentLog,
      warn: (fields, message) => said.push(`${message} ${fields['turnedAway']}`),
    },
    upstreams: new UpstreamSet(),
    now: () => nowMs,
  });
  t.after(() => gateway.destroy());
  const [address] = await gateway.listen();
  // Accepted before the next ones: the kernel hands them over in order.
  new RawClient(t, address?.port ?? 0);
  const refused = async (): Promise<string> => {
    const socket = connect(address?.port ?? 0, '127.0.0.1');
    t.after(() => socket.destroy());
    return text(socket);
  };
  for (let count = 0; count < 3; count += 1) assert.match(await refused(), /^HTTP\/1\.1 503 /);
  const advice = 'too many client connections; raise ulimit -n or max_connections';
  assert.deepEqual(said, [`${advice} 1`]);
  nowMs += 60_000;
  await refused();
  assert.deepEqual(said, [`${advice} 1`, `${advice} 3`]);
});
