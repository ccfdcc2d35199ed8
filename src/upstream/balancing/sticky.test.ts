// Sticky clients: who keeps a server, when another takes over, and what the cookie tells.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUpstream, request, upstreamState } from '../../../test/support/upstream/builders.ts';
import { type Balancing, ROUND_ROBIN, type ServerState } from '../../model.ts';
import type { Upstream } from '../upstream.ts';

const STICKY: Balancing = { ...ROUND_ROBIN, sticky: { cookie: 'at', attributes: '; Path=/' } };

function stickyUpstream(servers: readonly Partial<ServerState>[]): Upstream {
  return createUpstream(servers, { balancing: STICKY });
}

/** A request with this cookie: who gets it, and the cookie that it leaves with. */
function visit(upstream: Upstream, cookie: string): { id: string; cookie: string; line: string } {
  const asked = request([], { 'cookie:at': cookie });
  const server = upstream.pick(asked, 0);
  assert(server !== undefined);
  const line = upstream.stickyLine(asked, server);
  server.settle('success', 0);
  return { id: server.id, line, cookie: /at=([^;]+)/.exec(line)?.[1] ?? cookie };
}

test('a client stays where its first answer came from', () => {
  const upstream = stickyUpstream([{}, {}, {}]);
  const clients = [visit(upstream, ''), visit(upstream, ''), visit(upstream, '')];
  assert.deepEqual(
    clients.map(({ id }) => id),
    ['a', 'b', 'c'],
  );
  for (const client of [...clients, ...clients].reverse()) {
    const again = visit(upstream, client.cookie);
    assert.equal(again.id, client.id);
    assert.equal(again.line, '', 'the cookie is not set again');
  }
});

test('the cookie names no address, and a made-up one nobody', () => {
  const upstream = stickyUpstream([{ id: '10.1.2.3:80' }, { id: '10.1.2.4:80' }]);
  const { line } = visit(upstream, '');
  assert.match(line, /^Set-Cookie: at=[0-9a-f]{32}; Path=\/\r\n$/);
  const forged = visit(upstream, '10.1.2.3:80');
  assert.notEqual(forged.line, '');
});

const OUT: readonly Partial<ServerState>[] = [
  { admin: 'drain' },
  { admin: 'maint' },
  { checks: 'down' },
];

for (const part of OUT) {
  test(`a client of a server that is out (${JSON.stringify(part)}) moves, and its cookie with it`, () => {
    const upstream = stickyUpstream([{}, {}]);
    const first = visit(upstream, '');
    assert.equal(first.id, 'a');
    upstream.apply(upstreamState([part, {}], { balancing: STICKY }), 0);
    const second = visit(upstream, first.cookie);
    assert.equal(second.id, 'b');
    assert.notEqual(second.cookie, first.cookie);
    upstream.apply(upstreamState([{}, {}], { balancing: STICKY }), 0);
    assert.equal(visit(upstream, second.cookie).id, 'b', 'and it stays there');
  });
}

test('a full, ejected or tried server is no home', () => {
  const upstream = stickyUpstream([{ maxConns: 1 }, {}]);
  const { cookie } = visit(upstream, '');
  const keys = { 'cookie:at': cookie };
  const [a, b] = upstream.servers;
  assert(a !== undefined);
  assert.equal(upstream.pick(request([a], keys), 0), b);
  assert.equal(upstream.pick(request([], keys), 0), a);
  assert.equal(upstream.pick(request([], keys), 0), b, 'a is full');
  upstream.settle(a, 'failure', 0, 0);
  assert.equal(upstream.pick(request([], keys), 0), b, 'a is ejected');
});

test('two gateways give a server the same name', () => {
  const [one, two] = [stickyUpstream([{}, {}]), stickyUpstream([{}, {}])];
  const { cookie, id } = visit(one, '');
  assert.equal(visit(two, cookie).id, id);
});

test('without sticky there is no cookie', () => {
  const upstream = createUpstream([{}]);
  assert.equal(visit(upstream, '').line, '');
});
