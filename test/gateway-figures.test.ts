// Two real gateways on one registry: whoever looks at one sees the traffic of both, summed and for each; and which
// one is not heard, when it stands still or is killed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  applyPatch,
  type HistoryDocument,
  type PoolTopic,
  type RequestsDocument,
  readMessage,
  requestOf,
} from '../src/admin/contract.ts';
import {
  daemonConfig,
  get,
  PLAIN,
  put,
  runDaemon,
  runDaemonProcess,
  startServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';
import { rawExchange } from './support/gateway/builders.ts';

type Pool = Exclude<PoolTopic, { readonly gone: true }>;

test('traffic is seen summed and for each gateway, and who is not heard is in no sum', async (t) => {
  const first = await runDaemon(t, daemonConfig(PLAIN, temporaryDir(t)));
  const server = await startServer(t);
  await put(first, server.id, '');
  const registry = `registry: { consul: { addresses: ["127.0.0.1:${first.addresses.registry?.port}"] } }`;
  const second = await runDaemonProcess(t, daemonConfig(`${PLAIN}\n${registry}`, temporaryDir(t)));
  await until('traffic', async () => (await get(second.gateway)).status === 200);
  let pool: unknown;
  const asking = new AbortController();
  t.after(() => asking.abort());
  const response = await fetch(`${first.control}/api/stream?topics=pool:app`, {
    signal: asking.signal,
  });
  const reading = (async () => {
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        const [, data] = /^data: (.+)$/m.exec(text.slice(0, end)) ?? [];
        text = text.slice(end + 2);
        const message = data?.includes('topic') === true ? readMessage(data) : undefined;
        if (message === undefined) continue;
        pool = 'snapshot' in message ? message.snapshot : applyPatch(pool, message.patch);
      }
    }
  })().catch(() => {});
  // Of our own daemon.
  const now = (): Pool | undefined => pool as Pool | undefined;
  const load = setInterval(() => void get(second.gateway).catch(() => {}), 20);
  t.after(() => clearInterval(load));
  await until('the sum has the requests of the other gateway', () => {
    const { sum, lastSecond, elsewhere = {}, servers = {} } = now() ?? {};
    const [there] = Object.values(elsewhere);
    const ofServer = servers[server.id];
    return (
      lastSecond?.requests === 0 &&
      (sum?.lastSecond.requests ?? 0) > 5 &&
      sum?.lastSecond.p99Ms !== undefined &&
      there?.lastSecond.requests === sum?.lastSecond.requests &&
      (ofServer?.sum?.lastSecond.requests ?? 0) > 5
    );
  });
  assert.deepEqual(
    Object.values(now()?.gateways ?? {}).map(({ isHeard }) => isHeard),
    [true],
  );
  const { path } = requestOf('history', { upstream: 'app', server: '', span: '5m', gateway: '' });
  const graph = async () => {
    const asked = await fetch(`${first.control}${path}`);
    const { series, scope } = (await asked.json()) as HistoryDocument;
    return { ...scope, requests: series[0]?.requests.reduce((sum, one) => sum + one, 0) ?? 0 };
  };
  await until('so has the graph', async () => (await graph()).requests > 5);
  assert.equal((await graph()).unheard.length, 0);
  const stories = async (id: string) => {
    const asked = await fetch(`${first.control}/api/requests?id=${id}`);
    return (await asked.json()) as RequestsDocument;
  };
  const { port } = new URL(second.gateway);
  const refused = await rawExchange(t, Number(port), 'GET / HTTP/1.1\r\n\r\n');
  const [, id = ''] = /x-request-id: (\S+)/i.exec(refused) ?? [];
  await until('a request of the other gateway is found here', async () => {
    const { requests, scope } = await stories(id);
    return requests[0]?.id === id && requests[0].gateway === scope.heard[0];
  });
  second.process.kill('SIGSTOP');
  await until('a gateway that stands still is said to be not heard', () => {
    const { gateways = {}, sum } = now() ?? {};
    const [other] = Object.values(gateways);
    return other?.isHeard === false && sum?.lastSecond.requests === 0;
  });
  await until('its past is in no graph', async () => {
    const { requests, unheard } = await graph();
    return requests < 5 && /no answer|silent/.test(unheard[0] ?? '');
  });
  second.process.kill('SIGCONT');
  await until('it is heard again', () => (now()?.sum?.lastSecond.requests ?? 0) > 5);
  clearInterval(load);
  asking.abort();
  await reading;
});
