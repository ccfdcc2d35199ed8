// The same requests through a real nginx (one worker, no zone) and through our pick, attempt by
// attempt: the sequences must be equal. nginx balances over unix sockets in a temporary folder, so
// no port is needed and a server that is not there is a path that does not exist.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { seededRandom } from '../../test/support/base/random.ts';
import { FRONT_SOCKET, startNginxFront } from '../../test/support/peers/nginx.ts';
import { createUpstream, request } from '../../test/support/upstream/builders.ts';
import { type Balance, eligibility, ROUND_ROBIN } from '../model.ts';
import type { Server } from './server.ts';
import type { Upstream } from './upstream.ts';

/** fail_timeout of both: longer than the test, as nginx counts it in whole seconds. */
const FAIL_TIMEOUT_MS = 3_600_000;

type Member = {
  readonly weight?: number;
  readonly maxFails?: number;
  readonly maxConns?: number;
  readonly backup?: boolean;
  readonly down?: boolean;
  /** Nobody listens. */
  readonly dead?: boolean;
};

type Setup = { readonly balance: Balance; readonly members: readonly Member[] };

const SETUPS: readonly Setup[] = (['round_robin', 'least_conn'] as const).flatMap((balance) =>
  [
    weights(5, 1, 1),
    weights(3, 2, 1, 1),
    weights(1),
    [{ dead: true }],
    [{ weight: 2 }, { down: true, weight: 3 }, {}],
    [{ dead: true }, { backup: true }, { backup: true, weight: 2 }],
    [{ down: true }, { backup: true }],
    [{ weight: 5, dead: true, maxFails: 3 }, { weight: 2 }, {}],
    [{ weight: 4, dead: true, maxFails: 0 }, { weight: 3 }],
    [
      { weight: 2, dead: true, maxFails: 3 },
      { dead: true, maxFails: 2 },
    ],
    [{ dead: true, maxFails: 2 }, { dead: true, backup: true }, { backup: true }],
  ].map((members) => ({ balance, members })),
);

test('picks what nginx picks: chosen and random upstreams, one request at a time', async (t) => {
  const random = seededRandom(20_261_123);
  const setups = [...SETUPS, ...Array.from({ length: 60 }, () => randomSetup(random))];
  const nginx = await startBalancing(t, setups, { holdsServers: false });
  if (nginx === undefined) return;
  for (const [index, setup] of setups.entries()) {
    const upstream = createOurs(setup);
    for (let request = 0; request < 40; request += 1) {
      const attempts: string = await nginx.request(index);
      assert.equal(
        attempts,
        ourAttempts(upstream, setup),
        `request ${request} of ${JSON.stringify(setup)}`,
      );
    }
  }
});

test('picks what nginx picks while requests are held and some fail', async (t) => {
  const random = seededRandom(7);
  const setups: Setup[] = [
    { balance: 'least_conn', members: weights(5, 1, 1) },
    { balance: 'least_conn', members: often(weights(16, 16, 8, 8)) },
    { balance: 'least_conn', members: often(weights(9, 16)) },
    {
      balance: 'least_conn',
      members: [{ weight: 2, maxConns: 2 }, { maxConns: 1 }, { backup: true }],
    },
    { balance: 'round_robin', members: often(weights(16, 12, 8)) },
    {
      balance: 'round_robin',
      members: [{ weight: 5, maxConns: 2 }, { weight: 2 }, { maxConns: 1 }],
    },
    { balance: 'round_robin', members: [{ maxConns: 1 }, { maxConns: 2 }] },
    // Enough for lanes (lane.ts), which must not change a pick.
    ...(['round_robin', 'least_conn'] as const).flatMap((balance) => [
      { balance, members: often(weights(...many(20, (place) => 1 + (place % 4) * 5))) },
      { balance, members: often(weights(...many(20, () => 1))) },
      { balance, members: often(limited(weights(...many(20, (place) => 1 + (place % 3))))) },
    ]),
  ];
  const nginx = await startBalancing(t, setups, { holdsServers: true });
  if (nginx === undefined) return;
  for (const [index, setup] of setups.entries()) {
    const upstream = createOurs(setup);
    const held: { readonly tried: Server[]; begun: Begun }[] = [];
    const compare = (tried: Server[], begun: Begun, step: number): void => {
      const server =
        tried.length < setup.members.length && isAnyLeft(upstream, tried)
          ? upstream.pick(request(tried), 0)
          : undefined;
      assert.equal(begun.name, server?.id ?? '', `step ${step} of ${JSON.stringify(setup)}`);
      if (server !== undefined) held.push({ tried: [...tried, server], begun });
    };
    for (let step = 0; step < 120; step += 1) {
      const [exchange] = random() < 0.45 ? held.splice(Math.floor(random() * held.length), 1) : [];
      if (exchange === undefined) {
        compare([], await nginx.begin(index), step);
      } else if (random() < 0.3) {
        exchange.tried.at(-1)?.settle('failure', 0);
        compare(exchange.tried, await exchange.begun.fail(), step);
      } else {
        await exchange.begun.finish();
        exchange.tried.at(-1)?.settle('success', 0);
      }
    }
    for (const exchange of held) await exchange.begun.finish();
  }
});

function many(count: number, weightOf: (place: number) => number): number[] {
  return Array.from({ length: count }, (_, place) => weightOf(place));
}

/** Members that may fail often before they are ejected. */
function often(members: readonly Member[]): Member[] {
  return members.map((member) => ({ ...member, maxFails: 8 }));
}

/** Some of them take few requests at a time. */
function limited(members: readonly Member[]): Member[] {
  return members.map((member, place) => ({ ...member, maxConns: place % 3 }));
}

function weights(...list: readonly number[]): Member[] {
  return list.map((weight) => ({ weight }));
}

function randomSetup(random: () => number): Setup {
  const below = (bound: number): number => Math.floor(random() * bound);
  const members = Array.from({ length: 1 + below(random() < 0.3 ? 20 : 6) }, (_, index) => ({
    weight: 1 + below(9),
    maxFails: below(5),
    dead: random() < 0.3,
    down: random() < 0.1,
    // nginx wants a primary.
    backup: index > 0 && random() < 0.25,
  }));
  return { balance: random() < 0.5 ? 'round_robin' : 'least_conn', members };
}

function createOurs({ balance, members }: Setup): Upstream {
  const servers = members.map((member) => ({
    weight: member.weight ?? 1,
    maxFails: member.maxFails ?? 1,
    failTimeoutMs: FAIL_TIMEOUT_MS,
    maxConns: member.maxConns ?? 0,
    backup: member.backup ?? false,
    admin: member.down ? ('maint' as const) : ('ready' as const),
  }));
  return createUpstream(servers, { balancing: { ...ROUND_ROBIN, method: balance } });
}

/** The servers that one request of ours would be tried on, with nginx's number of tries. */
function ourAttempts(upstream: Upstream, { members }: Setup): string {
  const tried: Server[] = [];
  const tries = members.filter((member) => !member.down).length;
  while (tried.length < tries && isAnyLeft(upstream, tried)) {
    const server = upstream.pick(request(tried), 0);
    if (server === undefined) break;
    tried.push(server);
    const isDead = members[server.id.charCodeAt(0) - 97]?.dead ?? false;
    server.settle(isDead ? 'failure' : 'success', 0);
    if (!isDead) break;
  }
  return tried.map((server) => server.id).join('');
}

/** Where nobody is left nginx gives up, and we try the ejected ones. */
function isAnyLeft({ servers }: Upstream, tried: readonly Server[]): boolean {
  return servers.some((server) => eligibility(server, 0) === 'ok' && !tried.includes(server));
}

/** A request that a server holds; name '' when nginx has answered it with an error. */
type Begun = {
  readonly name: string;
  /** The server answers; resolves when the client has the answer. */
  finish(): Promise<void>;
  /** The server closes without an answer; resolves with where nginx went next. */
  fail(): Promise<Begun>;
};

type Nginx = {
  /** One request through the upstream of this number; the names it was tried on. */
  request(setup: number): Promise<string>;
  begin(setup: number): Promise<Begun>;
};

async function startBalancing(
  t: TestContext,
  setups: readonly Setup[],
  options: { readonly holdsServers: boolean },
): Promise<Nginx | undefined> {
  const arrivals = new Map<number, (response: ServerResponse, name: string) => void>();
  const holdServers = async (folder: string): Promise<void> => {
    for (const name of 'abcdefghijklmnopqrst') {
      const server = createServer((incoming, response) => {
        arrivals.get(Number(incoming.headers['x-request']))?.(response, name);
      });
      server.listen(join(folder, `${name}.sock`));
      await once(server, 'listening');
      t.after(() => server.close());
    }
  };
  const front = await startNginxFront(t, async (folder) => {
    if (options.holdsServers) await holdServers(folder);
    return httpBlock(folder, setups, options.holdsServers);
  });
  if (front === undefined) return undefined;

  let requests = 0;
  return {
    async request(setup) {
      return namesOf((await front.ask(`/${setup}`))['x-attempts'], front.folder);
    },
    begin(setup) {
      requests += 1;
      const id = requests;
      const answered = front.ask(`/${setup}`, { 'x-request': String(id) });
      const next = (): Promise<Begun> => {
        const arrived = new Promise<Begun>((resolve) => {
          arrivals.set(id, (response, name) => {
            resolve({
              name,
              async finish() {
                response.end('done');
                await answered;
              },
              fail() {
                const followed = next();
                response.destroy();
                return followed;
              },
            });
          });
        });
        return Promise.race([arrived, answered.then(() => REFUSED)]);
      };
      return next();
    },
  };
}

const REFUSED: Begun = {
  name: '',
  finish: () => assert.fail('nobody holds it'),
  fail: () => assert.fail('nobody holds it'),
};

function httpBlock(folder: string, setups: readonly Setup[], hasOwnServers: boolean): string {
  const upstreams = setups.map(({ balance, members }, index) => {
    const lines = members.map((member, place) => {
      const name = `${String.fromCharCode(97 + place)}${member.dead ? '-dead' : ''}`;
      const words = [
        `server unix:${folder}/${name}.sock`,
        `weight=${member.weight ?? 1} max_fails=${member.maxFails ?? 1}`,
        `max_conns=${member.maxConns ?? 0} fail_timeout=${FAIL_TIMEOUT_MS / 1000}s`,
        member.down ? 'down' : '',
        member.backup ? 'backup' : '',
      ];
      return `${words.join(' ')};`;
    });
    return `upstream u${index} { ${balance === 'least_conn' ? 'least_conn;' : ''} ${lines.join('\n')} }`;
  });
  const locations = setups.map(
    (_, index) => `location = /${index} { proxy_pass http://u${index}/; }`,
  );
  // Without servers of the test's own, nginx answers for a to t itself.
  const names = hasOwnServers ? '' : 'abcdefghijklmnopqrst';
  const servers = [...names].map(
    (name) => `server { listen unix:${folder}/${name}.sock; return 200 ok; }`,
  );
  return `
      ${upstreams.join('\n')}
      server {
        listen unix:${folder}/${FRONT_SOCKET};
        add_header X-Attempts $upstream_addr always;
        ${locations.join('\n')}
      }
      ${servers.join('\n')}`;
}

/** `unix:/tmp/x/a-dead.sock, unix:/tmp/x/b.sock, u3` → `ab`; an upstream's name means none was left. */
function namesOf(header: string | readonly string[] | undefined, folder: string): string {
  return [...String(header ?? '').matchAll(/unix:([^,: ]+)\.sock/g)]
    .map(([, path]) => path?.slice(folder.length + 1, folder.length + 2))
    .join('');
}
