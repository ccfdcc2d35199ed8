// DNS messages: what is asked, what is read, and that nothing hostile is believed or runs for ever.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeAnswer, encodeQuestion, type Question } from './message.ts';

const QUESTION: Question = { id: 0x1234, name: 'App.test', type: 'A' };

function head(flags: number, counts: readonly [number, number, number]): Buffer {
  const bytes = Buffer.from(encodeQuestion(QUESTION));
  bytes.writeUInt16BE(flags, 2);
  for (const [at, count] of counts.entries()) bytes.writeUInt16BE(count, 6 + 2 * at);
  return bytes;
}

/** With the name of the question, by a pointer, unless told otherwise. */
function record(
  type: number,
  data: readonly number[],
  name: readonly number[] = [0xc0, 12],
): Buffer {
  const length = [data.length >> 8, data.length & 0xff];
  return Buffer.from([...name, 0, type, 0, 1, 0, 0, 0, 60, ...length, ...data]);
}

function answer(...records: readonly Buffer[]): Buffer {
  return Buffer.concat([head(0x8180, [records.length, 0, 0]), ...records]);
}

const read = (message: Buffer) => decodeAnswer(message, QUESTION)?.answers;

test('asks with labels, recursion desired', () => {
  assert.equal(
    encodeQuestion({ ...QUESTION, name: 'a.bc.', type: 'SRV' }).toString('hex'),
    '123401000001000000000000' + '0161' + '026263' + '00' + '00210001',
  );
});

test('reads addresses, aliases and services, and leaves out what it does not know', () => {
  const name = 'App.test';
  const ttl = 60;
  assert.deepEqual(read(answer(record(1, [10, 0, 0, 1]), record(16, [3, 65, 66, 67]))), [
    { name, ttl, type: 'A', address: '10.0.0.1' },
  ]);
  const six = [0xfd, 0, ...Array.from({ length: 13 }, () => 0), 1];
  assert.deepEqual(read(answer(record(28, six))), [
    { name, ttl, type: 'AAAA', address: 'fd00::1' },
  ]);
  assert.deepEqual(read(answer(record(5, [1, 0x62, 0xc0, 12]))), [
    { name, ttl, type: 'CNAME', target: 'b.App.test' },
  ]);
  assert.deepEqual(read(answer(record(33, [0, 1, 0, 2, 1, 0, 0xc0, 16]))), [
    { name, ttl, type: 'SRV', priority: 1, weight: 2, port: 256, target: 'test' },
  ]);
});

const IPV6: readonly (readonly [string, string])[] = [
  ['00000000000000000000000000000000', '::'],
  ['00000000000000000000000000000001', '::1'],
  ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
  ['20010db8000100010001000100000001', '2001:db8:1:1:1:1:0:1'],
  ['fd000000000000000000000000000000', 'fd00::'],
];
for (const [hex, wanted] of IPV6) {
  test(`an IPv6 address is ${wanted}`, () => {
    const [found] = read(answer(record(28, [...Buffer.from(hex, 'hex')]))) ?? [];
    assert.equal(found?.type === 'AAAA' && found.address, wanted);
  });
}

test('hears no answer to another question', () => {
  const good = answer(record(1, [10, 0, 0, 1]));
  assert.equal(read(good)?.length, 1);
  const changed = (at: number, byte: number): Buffer => {
    const bytes = Buffer.from(good);
    bytes[at] = byte;
    return bytes;
  };
  assert.equal(read(changed(1, 0x35)), undefined, 'another id');
  assert.equal(read(changed(2, 0x01)), undefined, 'a question');
  assert.equal(read(changed(5, 2)), undefined, 'two questions');
  assert.equal(read(changed(13, 0x62)), undefined, 'another name');
  assert.equal(read(changed(23, 28)), undefined, 'another type');
  assert.equal(read(changed(13, 0x61))?.length, 1, 'names match in any case');
  assert.equal(read(Buffer.from([0x12])), undefined);
});

test('a message that is cut off anywhere is an error, not half an answer', () => {
  const whole = answer(record(5, [1, 0x62, 0xc0, 12]), record(33, [0, 1, 0, 2, 1, 0, 1, 0x61, 0]));
  assert.equal(read(whole)?.length, 2);
  for (let length = 12; length < whole.length; length += 1) {
    assert.throws(() => read(whole.subarray(0, length)), /cut off/, `${length} bytes`);
  }
});

test('what cannot be is an error and ends', () => {
  const loop = answer(record(1, [10, 0, 0, 1], [0xc0, 26]));
  assert.throws(() => read(loop), /no end/);
  assert.throws(() => read(answer(record(1, [10, 0, 0]))), /3 bytes/);
  assert.throws(
    () => read(answer(record(33, [0, 1, 0, 2, 1, 0, 0xc0, 16, 9]))),
    /as long as it says/,
  );
  assert.throws(() => read(head(0x8180, [5000, 0, 0])), /5000 records/);
  assert.throws(() => read(answer(record(1, [10, 0, 0, 1], [0x80, 12]))), /unknown kind/);
});

test('random bytes behind a good head are an error or an answer, never anything else', () => {
  let seed = 1;
  const random = (): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed;
  };
  for (let round = 0; round < 5000; round += 1) {
    const tail = Buffer.from(Array.from({ length: random() % 60 }, () => random() & 0xff));
    try {
      read(Buffer.concat([head(0x8180, [1 + (random() % 3), 0, 0]), tail]));
    } catch (error) {
      assert.ok(
        error instanceof Error && /cut off|no end|long|bytes|kind|address/.test(error.message),
        String(error),
      );
    }
  }
});

test('a cut answer says so and is not read', () => {
  const cut = decodeAnswer(head(0x8380, [3, 0, 0]), QUESTION);
  assert.deepEqual([cut?.isCut, cut?.answers], [true, []]);
});
