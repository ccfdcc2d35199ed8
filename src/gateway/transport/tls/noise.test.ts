// Noise on the wire under TLS: records cut, changed, doubled and reset at random places, in the handshake and behind it,
// while our end writes, pauses and closes as it likes. OpenSSL's stream ends the whole process over some mistakes in its
// use, so that this one must live, and every connection must end.

import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { seededRandom } from '../../../../test/support/base/random.ts';
import { until } from '../../../../test/support/base/until.ts';
import { anyGate, TRANSPORTS } from '../../../../test/support/gateway/transports.ts';
import { type Connection, NO_BYTES } from '../connection.ts';

const CLIENTS = Number(process.env['SLUICE_NOISE'] ?? 400);
const AT_ONCE = 20;
const SEED = Number(process.env['SLUICE_SEED'] ?? 1);

/** What passes between client and gateway, changed now and then. */
function relay(from: Socket, to: Socket, random: () => number, rate: number): void {
  // Most get through their handshake.
  let spared = random() < 0.7 ? 3 : 0;
  from.on('data', (data: Buffer) => {
    spared -= 1;
    if (spared >= 0 || random() >= rate) return void to.write(data);
    const at = Math.floor(random() * data.length);
    const kind = random();
    if (kind < 0.4) data[at] = Math.floor(random() * 256);
    else if (kind < 0.5) return void to.write(data.subarray(0, at));
    else if (kind < 0.6) to.write(data.subarray(at));
    else if (kind < 0.7) return void to.resetAndDestroy();
    else if (kind < 0.8) return void to.destroy();
    else if (kind < 0.9) return void to.end(data.subarray(0, at));
    to.write(data);
  });
  from.on('end', () => to.end());
  from.on('close', () => to.destroy());
  from.on('error', () => {});
}

for (const [name, transport] of TRANSPORTS) {
  test(`${name}: noise ends connections, and nothing else (seed ${SEED})`, async (t) => {
    const random = seededRandom(SEED);
    const gate = anyGate();
    const open = new Set<Connection>();
    let closes = 0;
    let secured = 0;
    const piece = Buffer.alloc(40_000);
    const act = (connection: Connection): void => {
      if (connection.tls !== undefined) secured += 1;
      const kind = random();
      if (kind < 0.3) connection.writeText('x'.repeat(random() * 3000));
      else if (kind < 0.6) connection.write('a', piece, 0, Math.floor(random() * 40_000), 'z');
      else if (kind < 0.7) connection.pause();
      else if (kind < 0.85) connection.resume();
      else if (kind < 0.9) connection.end();
      else if (kind < 0.93) connection.reset();
      else if (kind < 0.96) connection.destroy();
    };
    const listening = await transport.listen(
      { host: '127.0.0.1', port: 0, tls: () => gate },
      (connection) => {
        open.add(connection);
        connection.handler = {
          onConnect() {},
          onData: () => act(connection),
          onEnd: () => (random() < 0.5 ? connection.end() : connection.destroy()),
          onDrain: () => act(connection),
          onClose() {
            closes += 1;
            assert(open.delete(connection), 'once');
          },
        };
        if (random() < 0.2) connection.write('early', NO_BYTES, 0, 0, '');
        const timer = setInterval(() => {
          if (!open.has(connection)) return clearInterval(timer);
          if (connection.tls === undefined && random() < 0.95) return;
          act(connection);
          if (random() < 0.1) connection.destroy();
        }, 3);
        t.after(() => clearInterval(timer));
      },
      assert.fail,
    );
    t.after(() => listening.close());
    const middle = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ host: '127.0.0.1', port: listening.port, allowHalfOpen: true });
      const rate = random() < 0.3 ? 0 : random() * 0.4;
      relay(near, far, random, rate);
      relay(far, near, random, rate / 2);
    });
    middle.listen(0, '127.0.0.1');
    t.after(() => middle.close());
    await until(() => middle.listening);
    const address = middle.address();
    assert(address !== null && typeof address === 'object');
    const come = (): Promise<void> =>
      new Promise((resolve) => {
        const version = random() < 0.5 ? 'TLSv1.2' : 'TLSv1.3';
        const options = {
          port: address.port,
          rejectUnauthorized: false,
          maxVersion: version,
        } as const;
        const socket = connectTls({ ...options, host: '127.0.0.1' });
        const timer = setTimeout(() => socket.destroy(), 50 + random() * 100);
        socket.on('error', () => {});
        socket.on('secureConnect', () => {
          for (let count = random() * 5; count > 0; count -= 1)
            socket.write('y'.repeat(random() * 30_000));
          if (random() < 0.3) socket.end();
        });
        socket.on('data', () => {
          if (random() < 0.2) socket.write('more');
        });
        socket.on('close', () => {
          clearTimeout(timer);
          resolve();
        });
      });
    for (let done = 0; done < CLIENTS; done += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, come));
    }
    for (const connection of open) connection.destroy();
    await until(() => open.size === 0);
    assert(closes > CLIENTS / 2 && secured > 10, `${closes} connections, ${secured} secured`);
  });
}
