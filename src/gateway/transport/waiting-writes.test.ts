// Writes that must wait: what the kernel does not take stays as it was written, whatever is written
// elsewhere meanwhile.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { TRANSPORTS } from '../../../test/support/gateway/transports.ts';
import type { Connection, Transport } from './connection.ts';

type Pair = { readonly connection: Connection; readonly reader: Socket };

/** A function that makes a connection of ours, with the one who reads from it, or does not. */
async function pairs(t: TestContext, transport: Transport): Promise<() => Promise<Pair>> {
  let accepted = Promise.withResolvers<Connection>();
  const options = { host: '127.0.0.1', port: 0 };
  const listening = await transport.listen(
    options,
    (connection) => accepted.resolve(connection),
    assert.fail,
  );
  t.after(() => listening.close());
  return async () => {
    accepted = Promise.withResolvers();
    const reader = connect({ host: '127.0.0.1', port: listening.port }).pause();
    t.after(() => reader.destroy());
    await once(reader, 'connect');
    const connection = await accepted.promise;
    t.after(() => connection.destroy());
    return { connection, reader };
  };
}

const SIZES = [2000, 20_000, 70_000, 131_072, 300_000];
for (const [bytes, [name, transport]] of SIZES.flatMap((bytes) =>
  TRANSPORTS.map((transport) => [bytes, transport] as const),
)) {
  test(`${name}: a piece of ${bytes} bytes that waits is not overwritten`, async (t) => {
    const pair = await pairs(t, transport);
    const slow = await pair();
    const other = await pair();
    other.reader.resume();
    const mine = Buffer.alloc(bytes, 'a');
    const others = Buffer.alloc(bytes, 'b');
    // Until one is taken in part, and one not at all.
    let pieces = 0;
    for (let waiting = 0; waiting < 2; pieces += 1) {
      slow.connection.write('<', mine, 0, bytes, '>');
      if (slow.connection.pendingBytes > 0) waiting += 1;
      other.connection.write('[', others, 0, bytes, ']');
    }
    slow.connection.end();
    let text = '';
    for await (const data of slow.reader) text += String(data);
    assert(text === `<${'a'.repeat(bytes)}>`.repeat(pieces), 'bytes of another connection');
  });
}
