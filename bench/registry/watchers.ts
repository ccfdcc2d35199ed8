// Many blocking queries on one prefix, in a process of their own that costs as little as it can: they
// all read into one buffer, and an answer is only counted when it is whole.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Address } from '../../src/base/units.ts';

export type Watchers = {
  /** Resolves with the wall clock, ms, at which the last of them had its answer. */
  readonly allKnow: Promise<number>;
  close(): Promise<void>;
};

type Order = { readonly address: Address; readonly count: number; readonly target: string };

export async function park(order: Order): Promise<Watchers> {
  const child = fork(import.meta.filename, { stdio: 'inherit' });
  const next = async (): Promise<unknown> => (await once(child, 'message'))[0];
  const parked = next();
  child.send(order);
  await parked;
  // Parked once the server has read them all; there is no way to ask it.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const told = next().then(Number);
  told.catch(() => {});
  return {
    allKnow: told,
    close: async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

async function watch({ address, count, target }: Order): Promise<void> {
  const buffer = Buffer.alloc(64 * 1024);
  let left = count;
  const request = `GET /v1/kv/${target} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const fail = (error: Error): void => {
    throw error;
  };
  const read = (bytes: number): boolean => {
    const text = buffer.toString('latin1', 0, bytes);
    const length = Number(/\r\nContent-Length: (\d+)/i.exec(text)?.[1] ?? -1);
    if (!text.startsWith('HTTP/1.1 200') || text.indexOf('\r\n\r\n') + 4 + length !== bytes) {
      throw new Error(`not one whole answer: ${text.slice(0, 300)}`);
    }
    left--;
    if (left === 0) process.send?.(performance.timeOrigin + performance.now());
    return true;
  };
  for (let at = 0; at < count; at++) {
    const socket = connect({ ...address, onread: { buffer, callback: read } });
    // The server may be gone before us.
    socket.on('error', (error) => left > 0 && fail(error));
    if (at % 100 === 99) await once(socket, 'connect');
    socket.write(request);
  }
  process.send?.('sent');
}

if (import.meta.main) process.once('message', (order: Order) => void watch(order));
