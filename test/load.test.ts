// The load generator is the witness of every "nothing was lost": here it watches servers that lie,
// cut and hang, and must call each failure by its name.

import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { type Outcome, startLoad } from '../demo/load.ts';

type Answer = (request: { readonly id: string; readonly socket: Socket }) => void;

const head = (id: string, length: number, status = '200 OK'): string =>
  `HTTP/1.1 ${status}\r\nX-Request-Id: ${id}\r\nX-App-Server: s\r\nContent-Length: ${length}\r\n\r\n`;
const HELLO = 'hello world by s\n';

const CASES: readonly {
  readonly is: string;
  readonly outcome: Outcome;
  readonly answer: Answer;
}[] = [
  {
    is: 'a right answer',
    outcome: 'ok',
    answer: ({ id, socket }) => socket.write(head(id, HELLO.length) + HELLO),
  },
  {
    is: 'a right chunked answer after an interim one',
    outcome: 'ok',
    answer: ({ id, socket }) =>
      socket.write(
        'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nX-App-Server: s\r\n' +
          `X-Request-Id: ${id}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nc;x=1\r\n world by s\n\r\n0\r\n\r\n`,
      ),
  },
  {
    is: 'a right answer that ends with the connection',
    outcome: 'ok',
    answer: ({ id, socket }) =>
      socket.end(`HTTP/1.1 200 OK\r\nX-App-Server: s\r\nX-Request-Id: ${id}\r\n\r\n${HELLO}`),
  },
  {
    is: 'the answer to another request',
    outcome: 'wrong',
    answer: ({ socket }) => socket.write(head('other', HELLO.length) + HELLO),
  },
  {
    is: 'a body of another request',
    outcome: 'wrong',
    answer: ({ id, socket }) => socket.write(`${head(id, 5)}hello`),
  },
  {
    is: 'a 503',
    outcome: 'status',
    answer: ({ id, socket }) => socket.write(`${head(id, 4, '503 No')}busy`),
  },
  {
    is: 'a body that is cut',
    outcome: 'truncated',
    answer: ({ id, socket }) => socket.end(`${head(id, 100)}hello`),
  },
  {
    is: 'a chunked body that is cut',
    outcome: 'truncated',
    answer: ({ id, socket }) =>
      socket.end(
        `HTTP/1.1 200 OK\r\nX-Request-Id: ${id}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel`,
      ),
  },
  { is: 'a closed connection', outcome: 'reset', answer: ({ socket }) => socket.end() },
  { is: 'a reset', outcome: 'reset', answer: ({ socket }) => socket.resetAndDestroy() },
  { is: 'silence', outcome: 'timeout', answer: () => {} },
  {
    is: 'another protocol',
    outcome: 'malformed',
    answer: ({ socket }) => socket.write('+OK redis\r\n\r\n'),
  },
  {
    is: 'bytes after the answer',
    outcome: 'malformed',
    answer: ({ id, socket }) => socket.write(`${head(id, HELLO.length) + HELLO}HTTP/1.1 200`),
  },
];

for (const { is, outcome, answer } of CASES) {
  test(`calls ${is} "${outcome}"`, async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => {}); // The client may go first.
      socket.on('data', (chunk) => {
        const id = /X-Request-Id: (\S+)/.exec(chunk.toString('latin1'))?.[1] ?? '';
        answer({ id, socket });
      });
    });
    t.after(() => server.close());
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    // The first request settles the case; what is sent until stop() must end the same way, except
    // that a kept connection may carry more than one.
    const seen: Outcome[] = [];
    await new Promise<void>((resolve) => {
      const load = startLoad({
        host: '127.0.0.1',
        port,
        rate: 50,
        shares: { get: 1 },
        timeoutMs: 200,
        onResult: (result) => {
          seen.push(result.outcome);
          if (seen.length === 1) void load.stop().then(() => resolve());
        },
      });
    });
    assert.deepEqual([...new Set(seen)], [outcome]);
  });
}

test('counts a connection refused, and a request that ended with a kept connection', async (t) => {
  let answered = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {}); // The client may go first.
    socket.on('data', (chunk) => {
      const id = /X-Request-Id: (\S+)/.exec(chunk.toString('latin1'))?.[1] ?? '';
      answered += 1;
      if (answered === 1) {
        socket.write(head(id, HELLO.length) + HELLO);
        return;
      }
      socket.resetAndDestroy();
      server.close();
    });
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  const seen: Outcome[] = [];
  const summary = await new Promise<ReturnType<ReturnType<typeof startLoad>['summary']>>(
    (resolve) => {
      const load = startLoad({
        host: '127.0.0.1',
        port: address.port,
        rate: 50,
        shares: { get: 1 },
        onResult: (result) => {
          seen.push(result.outcome);
          if (seen.length === 3) void load.stop().then(resolve);
        },
      });
    },
  );
  assert.deepEqual(seen.slice(0, 3), ['ok', 'reset_on_reuse', 'refused']);
  assert.equal(summary.ok, 1);
  assert.equal(summary.failed, seen.length - 1);
});
