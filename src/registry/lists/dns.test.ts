// Names of a real DNS server as lists of servers: the contract of every source, then what is their own.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { type TestContext, test } from 'node:test';

import { freePorts } from '../../../test/support/base/ports.ts';
import { type RunningUnbound, startUnbound } from '../../../test/support/peers/unbound.ts';
import {
  type Servers,
  sourceContract,
  Told,
} from '../../../test/support/registry/source-contract.ts';
import { silentLog } from '../../base/log.ts';
import { parseAddress } from '../../base/units.ts';
import { type DnsOptions, dnsSource } from './dns.ts';

/** Everything is asked for again at once. */
const EAGER = { ttlMinMs: 20, ttlMaxMs: 20 };

function sourceAt(dns: Pick<RunningUnbound, 'address'>, options: Partial<DnsOptions> = {}) {
  return dnsSource({
    ...{ resolvers: [dns.address], family: 'both', timeoutMs: 2000, log: silentLog, ...EAGER },
    ...options,
  });
}

/** As SRV records of `app` and `web`, and an address record for each server. */
async function write(dns: RunningUnbound, servers: Servers): Promise<void> {
  for (const name of ['app', 'web']) {
    const records: string[] = [];
    for (const [id, attributes] of Object.entries(servers[name] ?? {})) {
      const { host, port } = parseAddress(id) ?? assert.fail(id);
      const target = `t-${host.replace(/[.:]/g, '-')}.test`;
      await dns.set(target, [`60 IN ${host.includes(':') ? 'AAAA' : 'A'} ${host}`]);
      const { weight, backup } = { weight: 1, backup: 0, ...attributes };
      records.push(`60 IN SRV ${backup === 1 ? 20 : 10} ${weight} ${port} ${target}.`);
    }
    await dns.set(`${name}.test`, records);
  }
}

const SERVICES = new Map([
  ['app', 'app.test'],
  ['web', 'web.test'],
]);

sourceContract(
  'dns',
  async (t) => {
    const dns = await startUnbound(t);
    if (dns === undefined) return undefined;
    const source = sourceAt(dns);
    return {
      source: {
        follow: (options) => source.follow({ ...options, services: SERVICES }),
        health: () => source.health(),
      },
      write: (servers) => write(dns, servers),
      away: { begin: () => dns.end(), end: () => dns.start() },
    };
  },
  { weightsAlone: true, third: '127.0.0.3:3' },
);

async function scene(t: TestContext, service: string, options: Partial<DnsOptions> = {}) {
  const dns = await startUnbound(t);
  if (dns === undefined) return undefined;
  const follow = (): Told =>
    new Told(t, sourceAt(dns, options), { services: new Map([['app', service]]) });
  return { dns, follow };
}

test('a name with a port is all its addresses, in an order of their own', async (t) => {
  const it = await scene(t, 'app.test:8080');
  if (it === undefined) return;
  const { dns, follow } = it;
  await dns.set('app.test', ['60 IN A 10.0.0.2', '60 IN A 10.0.0.1', '60 IN AAAA fd00::1']);
  const told = follow();
  await told.until('app: 10.0.0.1:8080 10.0.0.2:8080 [fd00::1]:8080');
  await dns.set('app.test', ['60 IN A 10.0.0.2', '60 IN A 10.0.0.3']);
  await told.until('app: 10.0.0.2:8080 10.0.0.3:8080');
});

test('one family alone is asked for where that is said', async (t) => {
  const it = await scene(t, 'app.test:1', { family: 'ipv6' });
  if (it === undefined) return;
  await it.dns.set('app.test', ['60 IN A 10.0.0.2', '60 IN AAAA fd00::1']);
  await it.follow().until('app: [fd00::1]:1');
});

test('an alias is followed', async (t) => {
  const it = await scene(t, 'app.test:1');
  if (it === undefined) return;
  await it.dns.set('app.test', ['60 IN CNAME real.test.']);
  await it.dns.set('real.test', ['60 IN A 10.0.0.9']);
  await it.follow().until('app: 10.0.0.9:1');
});

test('SRV: weights, priorities, several addresses of a target', async (t) => {
  const it = await scene(t, '_http._tcp.test');
  if (it === undefined) return;
  const { dns, follow } = it;
  await dns.set('one.test', ['60 IN A 10.0.0.1', '60 IN AAAA fd00::1']);
  await dns.set('two.test', ['60 IN A 10.0.0.2']);
  await dns.set('_http._tcp.test', [
    ...['60 IN SRV 5 30 80 one.test.', '60 IN SRV 5 0 81 two.test.'],
    ...['60 IN SRV 7 9 82 two.test.', '60 IN SRV 9 9 80 one.test.'],
  ]);
  const told = follow();
  await told.until('app: 10.0.0.1:80*30 [fd00::1]:80*30 10.0.0.2:81 10.0.0.2:82*9-backup');
  assert.deepEqual(told.last.problems, []);
});

test('SRV: a target without an address is named and touches no other', async (t) => {
  const it = await scene(t, 'app.test');
  if (it === undefined) return;
  const { dns, follow } = it;
  await dns.set('one.test', ['60 IN A 10.0.0.1']);
  await dns.set('app.test', ['60 IN SRV 1 1 80 one.test.', '60 IN SRV 1 1 80 none.test.']);
  const told = follow();
  await told.until('app: 10.0.0.1:80');
  const [problem] = told.last.problems;
  assert.deepEqual([problem?.key, problem?.message], ['none.test', 'has no address; not added']);
  await dns.set('none.test', ['60 IN A 10.0.0.2']);
  await told.until('app: 10.0.0.1:80 10.0.0.2:80');
  assert.deepEqual(told.last.problems, []);
});

test('an answer that does not fit into UDP comes by TCP', async (t) => {
  const it = await scene(t, 'app.test:1');
  if (it === undefined) return;
  const addresses = Array.from({ length: 60 }, (_, at) => `10.0.1.${at + 1}`);
  await it.dns.set(
    'app.test',
    addresses.map((address) => `60 IN A ${address}`),
  );
  const told = it.follow();
  await told.untilCount('app', 60);
});

test('the TTL is how long an answer is used, between a least and a most', async (t) => {
  const dns = await startUnbound(t);
  if (dns === undefined) return;
  const source = sourceAt(dns, { ttlMinMs: 20, ttlMaxMs: 600_000 });
  const services = new Map([
    ['short', 'short.test:1'],
    ['long', 'long.test:1'],
  ]);
  await dns.set('short.test', ['0 IN A 10.0.0.1']);
  await dns.set('long.test', ['3600 IN A 10.0.0.1']);
  const told = new Told(t, source, { services });
  await told.until('long: 10.0.0.1:1; short: 10.0.0.1:1');
  await dns.set('long.test', ['0 IN A 10.0.0.2']);
  await dns.set('short.test', ['0 IN A 10.0.0.2']);
  await told.until('long: 10.0.0.1:1; short: 10.0.0.2:1');
  const short = new Told(t, sourceAt(dns, { ttlMinMs: 20, ttlMaxMs: 30 }), { services });
  await dns.set('long.test', ['3600 IN A 10.0.0.3']);
  await short.until('long: 10.0.0.3:1; short: 10.0.0.2:1');
  await dns.set('long.test', ['3600 IN A 10.0.0.4']);
  await short.until('long: 10.0.0.4:1; short: 10.0.0.2:1');
  assert.equal(told.shown, 'long: 10.0.0.1:1; short: 10.0.0.2:1');
});

test('a name that is gone is an emptied list, a server that fails is trouble', async (t) => {
  const it = await scene(t, 'app.test:1');
  if (it === undefined) return;
  const { dns, follow } = it;
  await dns.set('app.test', ['60 IN A 10.0.0.1']);
  const told = follow();
  await told.until('app: 10.0.0.1:1');
  await dns.set('app.test', []);
  await told.untilHeld('app');
  assert.equal(told.shown, 'app: 10.0.0.1:1');
  assert.equal(told.health.includes(false), false);
});

test('the next server is asked when one does not answer', async (t) => {
  const dns = await startUnbound(t);
  if (dns === undefined) return;
  const [closed = 0] = await freePorts(1);
  await dns.set('app.test', ['60 IN A 10.0.0.1']);
  const resolvers = [{ host: '127.0.0.1', port: closed }, dns.address];
  const services = new Map([['app', 'app.test:1']]);
  const told = new Told(t, sourceAt(dns, { resolvers }), { services });
  await told.until('app: 10.0.0.1:1');
  assert.equal(told.health.includes(false), false);
});

/** A DNS server of the test's own, for answers that a good one does not give. */
async function startLiar(t: TestContext, answer: (question: Buffer) => Buffer) {
  const socket = createSocket('udp4');
  socket.on('message', (question, { port, address }) =>
    socket.send(answer(question), port, address),
  );
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  t.after(() => socket.close());
  return { address: { host: '127.0.0.1', port: socket.address().port } };
}

/** An answer with that code and, behind the question, that one record. */
function answerTo(question: Buffer, code: number, record: readonly number[]): Buffer {
  const answer = Buffer.concat([question, Buffer.from(record)]);
  answer.writeUInt16BE(0x8180 + code, 2);
  answer.writeUInt16BE(record.length === 0 ? 0 : 1, 6);
  return answer;
}

/** The type is the last but two bytes. */
const typeOf = (question: Buffer): number => question[question.length - 3] ?? 0;
const SERVFAIL = 2;

test('half an answer is none: one family that fails takes no server away', async (t) => {
  let fails = false;
  const dns = await startLiar(t, (question) =>
    typeOf(question) === 1
      ? answerTo(question, 0, [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 10, 0, 0, fails ? 2 : 1])
      : answerTo(question, fails ? SERVFAIL : 0, []),
  );
  const told = new Told(t, sourceAt(dns), { services: new Map([['app', 'app.test:1']]) });
  await told.until('app: 10.0.0.1:1');
  fails = true;
  await told.untilHealth(false);
  assert.equal(told.shown, 'app: 10.0.0.1:1');
  fails = false;
  await told.untilHealth(true);
});

test('SRV: a target that cannot be looked up keeps the addresses that it had', async (t) => {
  let fails = false;
  const srv = [
    0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 0, 0, 12, 0, 1, 0, 1, 0, 80, 3, 0x6f, 0x6e, 0x65, 0xc0, 12,
  ];
  // The length of the data with its name, `one` and a pointer.
  srv[11] = srv.length - 12;
  const dns = await startLiar(t, (question) => {
    if (typeOf(question) === 33) return answerTo(question, 0, srv);
    if (fails) return answerTo(question, SERVFAIL, []);
    const address = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 10, 0, 0, 1];
    return answerTo(question, 0, typeOf(question) === 1 ? address : []);
  });
  const told = new Told(t, sourceAt(dns), { services: new Map([['app', '_http.test']]) });
  await told.until('app: 10.0.0.1:80');
  fails = true;
  await told.untilProblem(/SERVFAIL \(its last addresses stay\)$/);
  assert.equal(told.shown, 'app: 10.0.0.1:80');
});
