// Agents that stand still, queries that nobody answers any more, addresses that are behind, lists that
// are hidden: what the client does about each, against scripted registries.

import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openClient, temporaryFolder } from '../../../test/support/registry/builders.ts';
import { answer, hang, list, type Script, startLiar } from '../../../test/support/registry/liar.ts';
import { Seen } from '../../../test/support/registry/store-contract.ts';

const SURE = { random: () => 0 };

/** The index of the registry, or of a prefix without records. */
function absent(index: number): Script {
  return answer(404, '', { 'X-Consul-Index': String(index) });
}

const firstThen =
  (first: Script, then: Script): Script =>
  (request, response, count) =>
    (count === 1 ? first : then)(request, response, count);

test('a query at an agent that stands still is asked at another', async (t) => {
  const frozen = await startLiar(t, firstThen(list(5, 'a=1'), hang), hang);
  const other = await startLiar(t, firstThen(list(7, 'a=2'), hang));
  const registry = openClient(t, [frozen.address, other.address], SURE);
  const seen = new Seen();
  const watch = registry.watch('w/', seen);
  t.after(() => watch.close());
  await seen.until('a=2');
  assert.deepEqual(seen.states, ['a=1', 'a=2']);
  assert.match(other.requests[0]?.url ?? '', /\?recurse&consistent$/);
  await other.asked(2);
  assert.equal(frozen.requests.length, 2, 'the frozen one is left alone');
});

test('when nobody answers for a while, it is told, and told when one is back', async (t) => {
  let isFrozen = false;
  const alive = answer(403, 'Permission denied');
  const whenThawed =
    (script: Script): Script =>
    (request, response, count) => {
      if (!isFrozen) script(request, response, count);
    };
  const blocks: Script = (request, response, count) => {
    if (count !== 2) list(5, 'a=1')(request, response, count);
  };
  const registry = await startLiar(t, whenThawed(blocks), whenThawed(alive));
  const client = openClient(t, [registry.address], SURE);
  const seen = new Seen();
  let told = (_reachable: boolean): void => {};
  const next = (wanted: boolean): Promise<void> =>
    new Promise((resolve) => {
      told = (reachable) => reachable === wanted && resolve();
    });
  const watch = client.watch('w/', {
    onState: seen.onState,
    onHealth: ({ reachable }) => told(reachable),
  });
  t.after(() => watch.close());
  await registry.asked(2);
  const away = next(false);
  isFrozen = true;
  await away;
  assert.match(client.health().trouble, /no answer within 1000 ms/);
  const back = next(true);
  isFrozen = false;
  await back;
  assert.equal(client.health().trouble, '');
  assert.deepEqual([...new Set(seen.states)], ['a=1']);
});

test('a query that is silent about a change is asked anew', async (t) => {
  const question: Script = (request, response, count) => {
    if (request.url?.includes('keys') !== true) absent(9)(request, response, count);
    else answer(200, '["w/a"]', { 'X-Consul-Index': '9' })(request, response, count);
  };
  const script: Script = (request, response, count) => {
    if (count === 1) list(5, 'a=1')(request, response, count);
    else if (count === 3) list(9, 'a=2')(request, response, count);
  };
  const liar = await startLiar(t, script, question);
  const seen = new Seen();
  const watch = openClient(t, [liar.address], SURE).watch('w/', seen);
  t.after(() => watch.close());
  await seen.until('a=2');
  assert.deepEqual(seen.states, ['a=1', 'a=2']);
});

test('a registry that counts keys otherwise is read anew once, not for ever', async (t) => {
  let keysAsked = 0;
  let smallAsked = 0;
  let isEnough = (): void => {};
  const enough = new Promise<void>((resolve) => {
    isEnough = resolve;
  });
  const question: Script = (request, response, count) => {
    if (request.url?.includes('keys') === true) {
      keysAsked++;
      answer(200, '["w/a"]', { 'X-Consul-Index': '9' })(request, response, count);
      return;
    }
    // Twice the keys were compared before it was read anew, and then once more: had it been believed
    // again, the answer to that would be here by now.
    if (keysAsked > 2 && ++smallAsked > 2) isEnough();
    absent(100 + count)(request, response, count);
  };
  const script: Script = (request, response, count) => {
    if (count % 2 === 1) list(5, 'a=1')(request, response, count);
  };
  const liar = await startLiar(t, script, question);
  const seen = new Seen();
  const watch = openClient(t, [liar.address], SURE).watch('w/', seen);
  t.after(() => watch.close());
  await enough;
  assert.equal(liar.requests.filter(({ url }) => url.endsWith('consistent')).length, 2);
});

test('a prefix without records is not read anew because others were written', async (t) => {
  let keysAsked = 0;
  let smallAsked = 0;
  let isEnough = (): void => {};
  const enough = new Promise<void>((resolve) => {
    isEnough = resolve;
  });
  const question: Script = (request, response, count) => {
    if (request.url?.includes('keys') === true) keysAsked++;
    else if (keysAsked > 0 && ++smallAsked > 2) isEnough();
    absent(100 + count)(request, response, count);
  };
  const liar = await startLiar(t, firstThen(absent(5), hang), question);
  const watch = openClient(t, [liar.address], SURE).watch('w/', new Seen());
  t.after(() => watch.close());
  await enough;
  assert.equal(liar.requests.length, 2);
});

test('an address that is behind is not believed while another knows more', async (t) => {
  const first = await startLiar(
    t,
    firstThen(list(50, 'a=new'), (request) => request.socket.resetAndDestroy()),
    (request) => request.socket.resetAndDestroy(),
  );
  const behind = await startLiar(t, list(20, 'a=old'), absent(20));
  const good = await startLiar(t, firstThen(list(51, 'a=newest'), hang), absent(51));
  const addresses = [first, behind, good].map(({ address }) => address);
  const seen = new Seen();
  const watch = openClient(t, addresses, SURE).watch('w/', seen);
  t.after(() => watch.close());
  await seen.until('a=newest');
  assert.deepEqual(seen.states, ['a=new', 'a=newest']);
});

test('a cluster that was set back is followed when all its addresses say so', async (t) => {
  const script = firstThen(list(50, 'a=1'), (request) => request.socket.resetAndDestroy());
  const first = await startLiar(t, script, absent(20));
  const second = await startLiar(t, firstThen(list(20, 'a=2'), hang), absent(20));
  const seen = new Seen();
  const watch = openClient(t, [first.address, second.address], SURE).watch('w/', seen);
  t.after(() => watch.close());
  await seen.until('a=2');
  assert.deepEqual(seen.states, ['a=1', 'a=2']);
});

test('a list that is hidden from us is trouble with its remedy, not an empty list', async (t) => {
  const hidden = await startLiar(t, firstThen(list(5, 'a=1'), absent(6)));
  for (const [token, words] of [
    ['', /looks empty because no ACL token is set .*; set token or token_file .*key_prefix "w\/"/],
    ['secret', /looks empty because the ACL token may not read it; .*key_prefix "w\/"/],
  ] as const) {
    const registry = openClient(t, [hidden.address], { ...SURE, token });
    const seen = new Seen();
    const trouble = new Promise<string>((resolve) => {
      const watch = registry.watch('w/', {
        onState: seen.onState,
        onHealth: ({ reachable, trouble }) => reachable || resolve(trouble),
      });
      t.after(() => watch.close());
    });
    const said = await trouble;
    assert.match(said, words);
    assert(!said.includes('secret'));
    assert(!seen.states.includes(''), `${seen.states}`);
    await assert.rejects(registry.list('w/'), { code: 'registry_refused', message: words });
  }
});

test('a query that was let in with the last token is asked anew with the next', async (t) => {
  const liar = await startLiar(t, (request, response, count) => {
    if (count !== 2) list(5, 'a=1')(request, response, count);
  });
  const tokenFile = join(temporaryFolder(t), 'token');
  writeFileSync(tokenFile, 'first\n');
  const watch = openClient(t, [liar.address], { ...SURE, tokenFile }).watch('w/', new Seen());
  t.after(() => watch.close());
  await liar.asked(2);
  writeFileSync(`${tokenFile}.new`, 'second');
  renameSync(`${tokenFile}.new`, tokenFile);
  await liar.asked(3);
  assert.deepEqual(
    liar.requests.slice(0, 3).map(({ token }) => token),
    ['first', 'first', 'second'],
  );
});

test('a read is asked at another address after a second, a write only where somebody lives', async (t) => {
  const frozen = await startLiar(t, hang, hang);
  const other = await startLiar(t, (request, response, count) => {
    if (request.method === 'GET') list(5, 'a=1')(request, response, count);
    else answer(200, 'true')(request, response, count);
  });
  const addresses = [frozen.address, other.address];
  const reader = openClient(t, addresses, SURE);
  assert.equal((await reader.list('w/')).index, 5);
  assert.equal(await openClient(t, addresses, SURE).put('w/a', '1', { cas: 0 }), true);
  assert.equal(await openClient(t, addresses, SURE).put('w/a', '1'), true);
  assert.deepEqual(
    frozen.requests.map(({ method }) => method),
    ['GET'],
    'no write lies there to be carried out later',
  );
});

test('a cluster without a leader is waited for; only when nobody listens the call ends early', async (t) => {
  const script: Script = (request, response, count) => {
    if (count <= 6) answer(500, 'No cluster leader')(request, response, count);
    else answer(200, 'true')(request, response, count);
  };
  const liar = await startLiar(t, script);
  const registry = openClient(t, [liar.address], { ...SURE, nobodyMs: 100 });
  assert.equal(await registry.put('w/a', '1', { cas: 0 }), true);
});
