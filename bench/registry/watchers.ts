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
  const died = once(child, 'exit').then(() => Promise.reject(new Error('watchers ended')));
  const next = async (): Promise<unknown> =>
    Promise.race([once(child, 'message').then(([message]) => message), died]);
  const parked = next();
  child.send(order);
  await parked;
  const told = next().then(Number);
  for (const promise of [died, told]) promise.catch(() => {});
  // Parked once the server has read them all; there is no way to ask it.
  await new Promise((resolve) => setTimeout(resolve, 500 + order.count / 4));
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
  let answerBytes = 0;
  // Alike for all of them, so the first is looked at and the others are compared with it by their size.
  const read = (bytes: number): boolean => {
    if (answerBytes === 0) answerBytes = wholeAnswer(buffer.toString('latin1', 0, bytes));
    if (bytes !== answerBytes) throw new Error(`an answer of ${bytes} bytes, not ${answerBytes}`);
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

function wholeAnswer(text: string): number {
  const length = Number(/\r\nContent-Length: (\d+)/i.exec(text)?.[1] ?? -1);
  const bytes = text.indexOf('\r\n\r\n') + 4 + length;
  if (text.startsWith('HTTP/1.1 200') && bytes === text.length) return bytes;
  throw new Error(`not one whole answer: ${text.slice(0, 300)}`);
}

if (import.meta.main) process.once('message', (order: Order) => void watch(order));
