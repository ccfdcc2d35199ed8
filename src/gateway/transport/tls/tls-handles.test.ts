// What is not documented is looked at before it is used, and there is a way without it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SecureContext } from 'node:tls';
import { TicketRing } from './ticket-ring.ts';
import { openTlsWrap } from './tls-handles.ts';

type Bindings = { binding: (name: string) => object };

test('where TLS on handles is missing or another thing, it goes the documented way', (t) => {
  assert(openTlsWrap() !== undefined, 'this Node has it');
  const open = process as unknown as Bindings;
  const known = open.binding('tls_wrap');
  const changed = (change: () => object) => {
    const mock = t.mock.method(open, 'binding', change);
    const found = openTlsWrap();
    mock.mock.restore();
    return found;
  };
  assert(changed(() => known) !== undefined);
  for (const name of ['wrap', 'TLSWrap']) {
    assert.equal(
      changed(() => ({ ...known, [name]: undefined })),
      undefined,
      name,
    );
  }
  class Other {}
  assert.equal(
    changed(() => ({ ...known, TLSWrap: Other })),
    undefined,
  );
  assert.equal(
    changed(() => {
      throw new Error('not any more');
    }),
    undefined,
  );
});

const keyOf = (fill: number): string => Buffer.alloc(48, fill).toString('base64');

test('keys of tickets: the newest makes them, all open them, and an unknown one has two keys, too', () => {
  const native: Record<string, unknown> = { enableTicketKeyCallback: () => {} };
  const ring = new TicketRing();
  ring.use([keyOf(2), keyOf(1)]);
  // Of a context nothing else is used.
  ring.serve({ context: native } as SecureContext);
  const ask = native['onticketkeycallback'] as (...asked: unknown[]) => readonly unknown[];
  const iv = Buffer.alloc(16);
  const made = ask(Buffer.alloc(16), iv, true);
  assert.deepEqual(made.slice(0, 4), [1, ...[2, 2, 2].map((fill) => Buffer.alloc(16, fill))]);
  const vectors = Array.from({ length: 600 }, () => String(ask(Buffer.alloc(16), iv, true)[4]));
  assert.equal(new Set(vectors).size, 600, 'no vector twice');
  assert.equal(ask(Buffer.alloc(16, 2), iv, false)[0], 1);
  assert.equal(ask(Buffer.alloc(16, 1), iv, false)[0], 2, 'and a new ticket');
  const unknown = ask(Buffer.alloc(16, 9), iv, false);
  assert.equal(unknown[0], 0);
  assert(unknown.slice(1).every(Buffer.isBuffer) && unknown.length === 3);
  ring.use([keyOf(3), keyOf(2)]);
  assert.equal(ask(Buffer.alloc(16, 1), iv, false)[0], 0, 'it is forgotten');
  ring.use([]);
  assert.equal(ask(Buffer.alloc(16, 3), iv, false)[0], 1, 'none is no change');
});

test('where a Node has one key alone, that is the newest', () => {
  const set: string[] = [];
  const native = { setTicketKeys: (key: Buffer) => void set.push(key.toString('base64')) };
  const ring = new TicketRing();
  ring.use([keyOf(1)]);
  const context = { context: native } as unknown as SecureContext;
  ring.serve(context);
  ring.use([keyOf(2), keyOf(1)]);
  assert.deepEqual(set, [keyOf(1), keyOf(2)]);
});
