import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import { seededRandom } from '../../test/support/base/random.ts';
import { startNginxAnswers } from '../../test/support/peers/nginx.ts';

import { AddressSet, Forwarding, Forwardings, ipOf } from './forwarding.ts';
import { parseRequestHead } from './http1/syntax.ts';
import type { RequestHead } from './message.ts';

const LIMITS = {
  uriBytesMax: 8192,
  headBytesMax: 65_536,
  fieldsMax: 100,
  underscoresInHeaders: false,
  allowTrace: false,
};
const TRUSTED = ['10.0.0.0/8', '2001:db8::/32', '::ffff:192.0.2.0/120'];

function headWith(...lines: readonly string[]): RequestHead {
  const text = ['GET / HTTP/1.1', 'Host: app', ...lines, '', ''].join('\r\n');
  const head = parseRequestHead(text, LIMITS);
  assert(head.kind === 'request', text);
  return head;
}

function forwarding(peer = '10.0.0.1', scheme: 'http' | 'https' = 'http'): Forwarding {
  return new Forwarding({ remoteAddress: peer, scheme }, new AddressSet(TRUSTED), false);
}

/** Name → value of the lines for a request with these lines. */
function said(lines: readonly string[], peer?: string): Record<string, string> {
  const text = forwarding(peer).text(headWith(...lines));
  return Object.fromEntries(
    text
      .trimEnd()
      .split('\r\n')
      .map((line) => line.split(': ', 2)),
  );
}

const CHAINS: readonly (readonly [given: string, client: string, chain: string])[] = [
  ['', '10.0.0.1', ''],
  ['1.2.3.4', '1.2.3.4', '1.2.3.4'],
  ['1.2.3.4, 5.6.7.8', '5.6.7.8', '1.2.3.4, 5.6.7.8'],
  ['1.2.3.4,\t5.6.7.8 ,10.0.0.7', '5.6.7.8', '1.2.3.4, 5.6.7.8, 10.0.0.7'],
  ['10.0.0.9, 10.0.0.7', '10.0.0.9', '10.0.0.9, 10.0.0.7'],
  ['127.0.0.1, 5.6.7.8', '5.6.7.8', '127.0.0.1, 5.6.7.8'],
  [',, 5.6.7.8 , ,', '5.6.7.8', '5.6.7.8'],
  [' , ,', '10.0.0.1', ''],
  ['5.6.7.8:5555', '5.6.7.8', '5.6.7.8:5555'],
  ['[::1]:80', '::1', '[::1]:80'],
  ['[2001:0DB8::7], 5.6.7.8, [2001:db8::1]:443', '5.6.7.8', undefined],
  ['2A00:0:0::1', '2a00::1', undefined],
  ['::ffff:5.6.7.8', '5.6.7.8', undefined],
  ['1.1.1.1, ::ffff:10.1.2.3', '1.1.1.1', undefined],
  ['1.1.1.1, 192.0.2.9', '1.1.1.1', undefined],
  ['unknown', '10.0.0.1', ''],
  ['1.2.3.4, \xa05.6.7.8', '10.0.0.1', ''],
  ['1.2.3.4, unknown, 10.0.0.7', '10.0.0.7', '10.0.0.7'],
  ['garbage, 5.6.7.8', '5.6.7.8', '5.6.7.8'],
  ...[
    '"5.6.7.8"',
    "'5.6.7.8'",
    '5.6.7.8 6.7.8.9',
    'for=5.6.7.8',
    '5.6.7.8:65536',
    '5.6.7.8:',
    '5.6.7.8:80:80',
    '05.6.7.8',
    '5.6.7',
    '5.6.7.8.9',
    '256.1.1.1',
    '0x5060708',
    '84281096',
    '5.6.7.8/32',
    'localhost',
    '[5.6.7.8]',
    '[::1',
    '::1]',
    '[::1]:',
    '[::1]80',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7:8:9',
    '_hidden',
    '\xff\xfe',
    `5.6.7.8${'0'.repeat(9000)}`,
  ].map((text) => [`1.2.3.4, ${text}`, '10.0.0.1', ''] as const),
].map(([given, client, chain]) => [given ?? '', client ?? '', chain ?? given ?? ''] as const);

test('a trusted proxy names the client by the rightmost address that is no proxy', () => {
  for (const [given, client, chain] of CHAINS) {
    const lines = given === '' ? [] : [`X-Forwarded-For: ${given}`];
    const fields = said(lines);
    assert.equal(fields['X-Real-IP'], client, given);
    assert.equal(fields['X-Forwarded-For'], chain === '' ? '10.0.0.1' : `${chain}, 10.0.0.1`);
    assert.equal(forwarding().client(headWith(...lines)), client, given);
  }
});

test('several lines of a field are one list', () => {
  const fields = said([
    'X-Forwarded-For: 6.6.6.6',
    'x-forwarded-for:',
    'X-FORWARDED-FOR: 5.6.7.8',
    'X-Forwarded-For: 10.0.0.7',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Proto: ',
    'X-Forwarded-Host: evil.example',
    'X-Forwarded-Host: good.example:8443',
  ]);
  assert.deepEqual(fields, {
    'X-Forwarded-For': '6.6.6.6, 5.6.7.8, 10.0.0.7, 10.0.0.1',
    'X-Real-IP': '5.6.7.8',
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'good.example:8443',
  });
});

test('a list without end is read from the right, as far as proxies reach', () => {
  const long = ['6.6.6.6', ...Array.from({ length: 3000 }, () => '10.0.0.7')].join(', ');
  const fields = said([`X-Forwarded-For: ${long}`]);
  assert.equal(fields['X-Real-IP'], '10.0.0.7');
  assert.equal(fields['X-Forwarded-For']?.split(', ').length, 65);
  const commas = ','.repeat(30_000);
  assert.equal(said([`X-Forwarded-For: 6.6.6.6${commas}`])['X-Real-IP'], '10.0.0.1');
  assert.equal(said([`X-Forwarded-Proto: https${commas}`])['X-Forwarded-Proto'], 'https');
});

for (const [name, given, expected] of [
  ['Proto', 'https', 'https'],
  ['Proto', 'HTTPS', 'https'],
  ['Proto', 'wss', 'https'],
  ['Proto', 'ws', 'http'],
  ['Proto', 'http, https', 'https'],
  ['Proto', 'https, http', 'http'],
  ['Proto', 'https,', 'https'],
  ['Proto', 'https;x', 'http'],
  ['Proto', '"https"', 'http'],
  ['Proto', 'javascript', 'http'],
  ['Proto', '\xa0https', 'http'],
  ['Host', 'b.example', 'b.example'],
  ['Host', 'b.example\xa0', 'app'],
  ['Host', 'a.example, b.example:80', 'b.example:80'],
  ['Host', '[::1]:80', '[::1]:80'],
  ['Host', 'a.example/path', 'app'],
  ['Host', 'user@a.example', 'app'],
  ['Host', 'a.example:99999', 'app'],
  ['Host', '"a.example"', 'app'],
  ['Host', 'a b', 'app'],
  ['Host', 'a..b', 'app'],
] as const) {
  test(`x-forwarded-${name.toLowerCase()} ${given} of a trusted proxy is ${expected}`, () => {
    const fields = said([`X-Forwarded-${name}: ${given}`]);
    assert.equal(fields[`X-Forwarded-${name}`], expected);
  });
}

for (const [given, expected] of [
  ['', 'https'],
  ['javascript', 'https'],
  ['http', 'http'],
  ['ws', 'http'],
  ['wss', 'https'],
] as const) {
  test(`x-forwarded-proto "${given}" of a trusted proxy over https is ${expected}`, () => {
    const text = forwarding('10.0.0.1', 'https').text(headWith(`X-Forwarded-Proto: ${given}`));
    assert.match(text, new RegExp(`X-Forwarded-Proto: ${expected}\r\n`));
  });
}

test('a peer that is no trusted proxy has no say', () => {
  const lines = [
    'X-Forwarded-For: 6.6.6.6',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: evil.example',
    'X-Real-IP: 6.6.6.6',
    'Forwarded: for=6.6.6.6',
    'X-Forwarded: 6.6.6.6',
    'Forwarded-For: 6.6.6.6',
    'X-Forwarded-Port: 1',
  ];
  for (const [peer, address] of [
    ['11.0.0.1', '11.0.0.1'],
    ['::ffff:11.0.0.1', '11.0.0.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:db9::1', '2001:db9::1'],
  ] as const) {
    assert.deepEqual(said(lines, peer), {
      'X-Forwarded-For': address,
      'X-Real-IP': address,
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Host': 'app',
    });
    assert.equal(forwarding(peer).client(headWith(...lines)), address);
  }
  assert.equal(headWith(...lines).fields, '');
});

for (const peer of ['::ffff:10.0.0.1', '2001:DB8::1', '192.0.2.77', '::ffff:192.0.2.77']) {
  test(`${peer} is trusted however it and its block are written`, () => {
    assert.equal(said(['X-Forwarded-For: 5.6.7.8'], peer)['X-Real-IP'], '5.6.7.8');
  });
}

test("a set holds what Node's BlockList holds", () => {
  const random = seededRandom(77);
  const below = (count: number): number => Math.floor(random() * count);
  const four = (): string => [below(4) * 85, below(256), below(2), below(256)].join('.');
  const six = (): string => `2001:db8:${below(3).toString(16)}::${below(65_536).toString(16)}`;
  for (let round = 0; round < 500; round += 1) {
    const list = new BlockList();
    const blocks = Array.from({ length: below(4) }, () => {
      const isFour = random() < 0.7;
      const address = isFour ? four() : six();
      const bits = isFour ? below(33) : 32 + below(97);
      if (random() < 0.3) {
        list.addAddress(address, isFour ? 'ipv4' : 'ipv6');
        return address;
      }
      list.addSubnet(address, bits, isFour ? 'ipv4' : 'ipv6');
      return `${address}/${bits}`;
    });
    const set = new AddressSet(blocks);
    for (let count = 0; count < 20; count += 1) {
      const [address, family] =
        random() < 0.7 ? [four(), 'ipv4' as const] : [six(), 'ipv6' as const];
      assert.equal(set.has(address), list.check(address, family), `${address} in ${blocks.join()}`);
    }
    for (const odd of ['', 'localhost', '1.2.3', '1.2.3.4.5']) assert.equal(set.has(odd), false);
  }
});

test('what is an address is one spelling of it', () => {
  for (const [text, address] of [
    ['0:0:0:0:0:0:0:1', '::1'],
    ['::FFFF:102:304', '1.2.3.4'],
    ['[::ffff:1.2.3.4]:80', '1.2.3.4'],
    ['0.0.0.0', '0.0.0.0'],
  ] as const) {
    assert.equal(ipOf(text), address);
  }
});

test('connections of one peer say the same, and share it', () => {
  const all = new Forwardings(new AddressSet(TRUSTED), true);
  const head = headWith();
  const of = (remoteAddress: string, scheme: 'http' | 'https' = 'http') =>
    all.of({ remoteAddress, scheme });
  assert.equal(of('1.2.3.4'), of('1.2.3.4'));
  const text = of('1.2.3.4', 'https').text(head);
  assert.match(text, /^X-Forwarded-For: 1\.2\.3\.4\r\n.*Proto: https\r\n.*Via: 1\.1 sluice\r\n$/s);
  assert.match(of('1.2.3.4').text(head), /Proto: http\r\n/);
  assert.match(of('1.2.3.5').text(head), /^X-Forwarded-For: 1\.2\.3\.5\r\n/);
});

test('connections of a trusted peer share nothing: each has clients of its own', () => {
  const all = new Forwardings(new AddressSet(TRUSTED), false);
  const peer = { remoteAddress: '10.0.0.1', scheme: 'http' } as const;
  assert.notEqual(all.of(peer), all.of(peer));
});

test('what is said is kept of so many peers only', () => {
  const all = new Forwardings(new AddressSet([]), false);
  const of = (count: number) =>
    all.of({ remoteAddress: `10.0.${count >> 8}.${count & 255}`, scheme: 'http' });
  const first = of(0);
  for (let count = 1; count < 256; count += 1) of(count);
  assert.equal(of(0), first);
  assert.equal(of(256).peer, '10.0.1.0');
  assert.notEqual(of(0), first);
});

// Two differences on purpose: nginx reads 05.6.7.8, which others read as octal or not at all, and
// does not read [::1] without a port.
test('the client is the one that nginx finds', async (t) => {
  const nginx = await startNginxAnswers(
    t,
    `set_real_ip_from 127.0.0.1; set_real_ip_from 10.0.0.0/8; set_real_ip_from 2001:db8::/32;
     real_ip_header X-Forwarded-For; real_ip_recursive on; return 200 $remote_addr;`,
  );
  if (nginx === undefined) return;
  const ours = new Forwarding(
    { remoteAddress: '127.0.0.1', scheme: 'http' },
    new AddressSet(['127.0.0.1', ...TRUSTED.slice(0, 2)]),
    false,
  );
  const random = seededRandom(2_020);
  const any = (list: readonly string[]): string => list[Math.floor(random() * list.length)] ?? '';
  const addresses = ['1.2.3.4', '10.0.0.1', '10.9.9.9', '127.0.0.1', '2001:db8::1', '2a00::1'];
  const elements = [
    ...[...addresses, ...addresses, ...addresses],
    ...['5.6.7.8:99', '10.0.0.4:1', '[2a00::2]:443', '[2001:db8::5]:443'],
    ...['unknown', '"1.2.3.4"', '1.2.3', 'a.example', '-', '256.1.1.1', '[::1'],
  ];
  for (let count = 0; count < 400; count += 1) {
    const list = Array.from({ length: 1 + Math.floor(random() * 5) }, () => any(elements));
    const line = `X-Forwarded-For: ${list.join(any([',', ', ', ' , ']))}`;
    const answer: { body: string } = await nginx.ask(
      `GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n${line}\r\n\r\n`,
    );
    assert.equal(ours.client(headWith(line)), answer.body, line);
  }
});
