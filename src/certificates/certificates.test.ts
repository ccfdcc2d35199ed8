// Files of certificates, and keys of session tickets over time.

import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { recordingLog } from '../../test/support/base/recording-log.ts';
import { Maker, tlsSettings } from '../../test/support/gateway/certificates.ts';
import { silentLog } from '../base/log.ts';
import { readListeners } from './read-listeners.ts';
import { TICKET_MS, TicketKeys } from './ticket-keys.ts';

const maker = new Maker();
after(() => maker.close());
const [good, other, authority] = [
  maker.make({ names: ['A.example', '*.example', '127.0.0.1'] }),
  maker.make({ names: ['b.example'] }),
  maker.make({ names: [], common: 'authority' }),
];
const signed = maker.make({ names: ['c.example'], by: authority });

function fileOf(name: string, text: string): string {
  const file = join(maker.folder, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

function read(cert: string, key: string, clientCa = '') {
  const tls = tlsSettings({ certificates: [{ cert, key }], clientCa });
  return readListeners([{ id: 'it', host: '127.0.0.1', port: 443, tls }]);
}

test('what a certificate is for, until when, and whose key it has', () => {
  const { facts, problems, warnings, credentials } = read(good.files.cert, good.files.key);
  assert.deepEqual([problems, warnings], [[], []]);
  const [fact] = facts;
  assert.deepEqual(fact?.names, ['a.example', '*.example', '127.0.0.1']);
  assert.equal(fact.keyType, 'ec');
  assert.equal(Math.round((fact.expiresAtMs - Date.now()) / 86_400_000), 30);
  assert.deepEqual(credentials['it']?.pairs, [{ cert: good.cert, key: good.key }]);
});

const ENCRYPTED =
  '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n';

for (const [what, cert, key, problem] of [
  ['no file', () => '/none.pem', () => good.files.key, /cert \/none\.pem: does not exist/],
  ['a folder', () => maker.folder, () => good.files.key, /is a folder/],
  ['the key of another', () => good.files.cert, () => other.files.key, /is not the key of/],
  ['both exchanged', () => good.files.key, () => good.files.cert, /are cert and key exchanged\?/],
  ['no PEM', () => fileOf('text', 'x'), () => good.files.key, /holds no certificate in PEM/],
  [
    'an encrypted key',
    () => good.files.cert,
    () => fileOf('encrypted', ENCRYPTED),
    /is encrypted, .*openssl pkey/,
  ],
  [
    'a broken certificate',
    () => fileOf('broken', good.cert.replace(/\n\w{20}/, '\n')),
    () => good.files.key,
    /cannot be read/,
  ],
  [
    'a chain from its wrong end',
    () => fileOf('chain', authority.cert + signed.cert),
    () => signed.files.key,
    /is not the first in it; put it before/,
  ],
] as const) {
  test(`refuses ${what}, and shows nothing of a key`, () => {
    const { problems, credentials } = read(cert(), key());
    assert.match(problems.join('\n'), problem);
    assert.doesNotMatch(problems.join('\n'), /-----BEGIN [A-Z ]*PRIVATE KEY-----[^)]/);
    assert.deepEqual(credentials, {});
  });
}

test('a chain in its right order, and authorities of clients', () => {
  const chain = fileOf('right', signed.cert + authority.cert);
  assert.deepEqual(read(chain, signed.files.key, authority.files.cert).problems, []);
  assert.match(
    read(chain, signed.files.key, '/none').problems.join(),
    /tls\.client_ca \/none: does not/,
  );
});

test('warns of what will not do for long', () => {
  const old = maker.make({ days: -1 });
  assert.match(read(old.files.cert, old.files.key).warnings.join(), /has expired \(20/);
  const open = maker.make({ names: [], common: 'nobody' });
  chmodSync(open.files.key, 0o644);
  const { warnings } = read(open.files.cert, open.files.key);
  assert.match(warnings.join('\n'), /names no host.*\n.*may read it; chmod o=/);
  const soon = Date.now() + 20 * 86_400_000;
  const tls = tlsSettings({ certificates: [good.files] });
  const later = readListeners([{ id: 'it', host: '127.0.0.1', port: 443, tls }], soon);
  assert.match(later.warnings.join(), /expires soon/);
});

test('keys of tickets: a new one every four hours, the last one is known for as long again', () => {
  const file = join(maker.folder, 'tickets.json');
  const keys = new TicketKeys(file, silentLog, 1000);
  const [first = ''] = keys.keys;
  assert.equal(Buffer.from(first, 'base64').length, 48);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(keys.rotate(1000 + TICKET_MS - 1), false);
  assert.equal(keys.rotate(1000 + TICKET_MS), true);
  const [second] = keys.keys;
  assert.deepEqual(keys.keys, [second, first]);
  assert.deepEqual(new TicketKeys(file, silentLog, 2000 + TICKET_MS).keys, [second, first], 'kept');
  keys.rotate(1000 + 2 * TICKET_MS);
  assert.equal(keys.keys.includes(first), false);
  assert.equal(keys.keys.length, 2);
  // Of the future is nothing: the clock was put back.
  assert.equal(new TicketKeys(file, silentLog, 500).keys.length, 1);
});

test('keys that cannot be kept are said, and work', () => {
  const { log, lines } = recordingLog();
  const keys = new TicketKeys('/none/at/all', log, 0);
  assert.equal(keys.keys.length, 1);
  assert.match(lines[0]?.message ?? '', /keys of session tickets not kept/);
  assert.doesNotMatch(JSON.stringify(lines), new RegExp(keys.keys[0]?.slice(0, 20) ?? '-'));
  fileOf('odd.json', '[{"key":"x"}, 1]');
  const odd = new TicketKeys(join(maker.folder, 'odd.json'), log, 0);
  assert.equal(odd.keys.length, 1);
  assert.match(readFileSync(join(maker.folder, 'odd.json'), 'utf8'), /madeAtMs/);
});
