// The live stream of a real serve: a drain arrives at once, a client that comes back goes on, who may listen, and
// the end.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { applyPatch, readMessage } from '../src/admin/contract.ts';
import {
  daemonConfig,
  get,
  PLAIN,
  put,
  runDaemon,
  setAdmin,
  startServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';

type Listening = {
  text: string;
  isOver: boolean;
  readonly close: () => void;
  /** The state of a topic, as JSON. */
  readonly state: (topic: string) => string;
};

async function listen(
  t: TestContext,
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Listening> {
  const stop = new AbortController();
  t.after(() => stop.abort());
  const response = await fetch(url, { headers, signal: stop.signal });
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const heard: Listening = {
    ...{ text: '', isOver: false, close: () => stop.abort() },
    state: (topic) => {
      let state: unknown;
      for (const [, data = ''] of heard.text.matchAll(/^data: (.+)\n/gm)) {
        const message = readMessage(data);
        if (message?.topic !== topic) continue;
        state = 'snapshot' in message ? message.snapshot : applyPatch(state, message.patch);
      }
      return JSON.stringify(state) ?? '';
    },
  };
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? [])
      heard.text += decoder.decode(chunk, { stream: true });
  };
  void read()
    .catch(() => {})
    .finally(() => {
      heard.isOver = true;
    });
  return heard;
}

test('a stream shows traffic and a drain, goes on after a break, and ends with the program', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(PLAIN, temporaryDir(t)));
  const server = await startServer(t);
  await put(daemon, server.id, '');
  const url = `${daemon.control}/api/stream?topics=overview,pool:app,events,release:app`;
  const first = await listen(t, url);
  await until('snapshots', () => first.state('release:app') !== '');
  await until('traffic', async () => (await get(daemon.gateway)).status === 200);
  await until('its figures', () => /"requests":[1-9]/.test(first.state('pool:app')));
  assert.equal((await setAdmin(daemon.control, server.id, { state: 'drain' })).status, 200);
  await until('the drain', () => first.state('pool:app').includes('"eligibility":"drain"'));
  await until('its event', () => first.state('events').includes('"action":"setAdmin"'));
  assert.match(first.state('overview'), /"app":\{"balance":"round_robin","eligible":0/);
  first.close();
  const seen = [...first.text.matchAll(/^id: (.+)$/gm)].at(-1)?.[1] ?? '';
  assert.equal((await setAdmin(daemon.control, server.id, { state: 'ready' })).status, 200);
  const second = await listen(t, url, { 'last-event-id': seen });
  await until('what was missed', () => second.text.includes('"state":"ready"'));
  assert.doesNotMatch(second.text, /snapshot/);
  const strange = await fetch(`${daemon.control}/api/stream?topics=pool:none`);
  assert.equal(strange.status, 404);
  assert.equal((await fetch(`${daemon.control}/api/stream?topics=other`)).status, 400);
  await daemon.close();
  await until('the end', () => second.isOver);
  assert.match(second.text, /event: end\ndata: \{"reason":"shutting down"\}\n\n$/);
});

test('with tokens a stream needs one, of any role', async (t) => {
  const config = daemonConfig(PLAIN, temporaryDir(t));
  const tokens = [{ name: 'grafana', role: 'read', secret: 'look' }] as const;
  const daemon = await runDaemon(t, { ...config, admin: { ...config.admin, tokens } });
  const url = `${daemon.control}/api/stream`;
  assert.equal((await fetch(url)).status, 401);
  const heard = await listen(t, url, { authorization: 'Bearer look' });
  await until('a snapshot', () => heard.text.includes('"topic":"overview","snapshot"'));
});
