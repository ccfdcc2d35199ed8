// The same keys and addresses through a real nginx (`hash … consistent`, `ip_hash`) and through our
// pick, attempt by attempt: a team that moves here keeps its warm caches. nginx plays the servers too,
// on loopback addresses of one port, because their names go into the hash.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { freePorts } from '../../../../test/support/base/ports.ts';
import { seededRandom } from '../../../../test/support/base/random.ts';
import { FRONT_SOCKET, startNginxFront } from '../../../../test/support/peers/nginx.ts';

import { createUpstream, request } from '../../../../test/support/upstream/builders.ts';
import { type Balance, ROUND_ROBIN } from '../../../model.ts';
import type { Server } from '../../server.ts';

type Member = {
  readonly weight?: number;
  readonly down?: boolean;
  /** Nobody listens there. */
  readonly dead?: boolean;
};

const SETUPS: readonly (readonly Member[])[] = [
  [{}, {}],
  [{}, {}, {}, {}, {}],
  [{ weight: 5 }, { weight: 1 }, { weight: 2 }],
  [{}, { down: true }, {}, {}],
  [{ dead: true }, {}, {}],
  [{ weight: 3, dead: true }, { weight: 2 }, { down: true }, { weight: 4 }, { dead: true }],
];

const KEYS = 400;

test('hash sends every key where nginx sends it, and its retries after it', async (t) => {
  await compare(t, 'hash', 'hash $http_x_key consistent;', (random) => {
    const key = `/k${Math.floor(random() * 1e9).toString(36)}?é`;
    return { headers: { 'x-key': key }, keys: { path: key } };
  });
});

test('ip_hash sends every address where nginx sends it, and its retries after it', async (t) => {
  await compare(t, 'ip_hash', 'ip_hash;', (random) => {
    const byte = (): number => Math.floor(random() * 256);
    const group = (): string => Math.floor(random() * 65_536).toString(16);
    const address =
      random() < 0.6
        ? `${1 + Math.floor(random() * 222)}.${byte()}.${byte()}.${byte()}`
        : random() < 0.5
          ? `2001:db8::${group()}:${group()}`
          : `2001:db8:${group()}:${group()}:${group()}:${group()}:${group()}:${group()}`;
    return { headers: { 'x-real-ip': address }, keys: { client: address } };
  });
});

type Question = {
  readonly headers: Readonly<Record<string, string>>;
  readonly keys: Readonly<Record<string, string>>;
};

async function compare(
  t: TestContext,
  method: Balance,
  line: string,
  ask: (random: () => number) => Question,
): Promise<void> {
  const nginx = await startHashing(t, line);
  if (nginx === undefined) return;
  const random = seededRandom(20_261_126);
  for (const [index, members] of SETUPS.entries()) {
    const upstream = createUpstream(
      members.map(({ weight = 1, down }, place) => ({
        id: `${hostOf(index, place)}:${nginx.port}`,
        host: hostOf(index, place),
        port: nginx.port,
        weight,
        maxFails: 0,
        admin: down ? ('maint' as const) : ('ready' as const),
      })),
      { balancing: { ...ROUND_ROBIN, method } },
    );
    for (let count = 0; count < KEYS; count += 1) {
      const { headers, keys } = ask(random);
      const tried: Server[] = [];
      for (;;) {
        const server = upstream.pick(request(tried, keys), 0);
        if (server === undefined) break;
        tried.push(server);
        const isDead = members[Number(server.host.split('.')[3]) - 1]?.dead === true;
        upstream.settle(server, isDead ? 'failure' : 'success', 0, 1);
        if (!isDead) break;
      }
      const ours = tried.map(({ id }) => id).join(', ');
      assert.equal(ours, await nginx.attempts(index, headers), JSON.stringify({ members, keys }));
    }
  }
}

function hostOf(setup: number, place: number): string {
  return `127.0.${setup + 1}.${place + 1}`;
}

async function startHashing(t: TestContext, line: string) {
  const [port = 0] = await freePorts(1);
  const front = await startNginxFront(t, (folder) => configOf(folder, port, line));
  if (front === undefined) return undefined;
  const attempts = async (setup: number, headers: Readonly<Record<string, string>>) =>
    String((await front.ask(`/${setup}`, headers))['x-attempts']);
  return { port, attempts };
}

function configOf(folder: string, port: number, line: string): string {
  const upstreams = SETUPS.map((members, setup) => {
    const servers = members.map(
      ({ weight = 1, down }, place) =>
        `server ${hostOf(setup, place)}:${port} weight=${weight} max_fails=0${down ? ' down' : ''};`,
    );
    return `upstream u${setup} { ${line} ${servers.join('\n')} }`;
  });
  const listens = SETUPS.flatMap((members, setup) =>
    members.flatMap(({ dead }, place) => (dead ? [] : [`listen ${hostOf(setup, place)}:${port};`])),
  );
  const locations = SETUPS.map(
    (_, setup) => `location = /${setup} { proxy_pass http://u${setup}/; }`,
  );
  return `
      ${upstreams.join('\n')}
      server {
        listen unix:${folder}/${FRONT_SOCKET};
        set_real_ip_from unix:; real_ip_header X-Real-IP;
        add_header X-Attempts $upstream_addr always;
        ${locations.join('\n')}
      }
      server { ${listens.join(' ')} return 200 ok; }`;
}
