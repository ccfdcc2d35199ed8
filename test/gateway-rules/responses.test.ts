// Rules 50, 54 and 57 to 66: what servers may send, and what becomes of the rest. Each response
// whole and byte by byte, each followed by a second exchange that must not inherit anything.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { RawClient } from '../support/gateway/builders.ts';
import {
  eventually,
  head,
  readResponses,
  startLab,
  values,
  within,
} from '../support/gateway/lab.ts';
import { type Row, readTable } from '../support/gateway/rule-table.ts';

type Ending = 'open' | 'fin' | 'reset';

const OK = 'HTTP/1.1 200 OK\r\n';
const ROWS = readTable('responses.txt', 4);

function finish(socket: Socket, ending: string): void {
  if (ending === 'fin') socket.end();
  else if (ending === 'reset') socket.resetAndDestroy();
}

/** The request that a row asks for. */
function requestOf(how: string): { method: string; bytes: string } {
  if (how === 'http/1.0') return { method: 'GET', bytes: 'GET /case HTTP/1.0\r\n\r\n' };
  const lines = how === 'upgrade' ? ['Connection: upgrade', 'Upgrade: websocket'] : [];
  const method = how === 'upgrade' ? 'GET' : how;
  return { method, bytes: head(`${method} /case HTTP/1.1`, 'Host: a', ...lines) };
}

async function check(
  { columns: [how = '', , , result = ''], expected }: Row,
  client: RawClient,
  connectionOf: readonly number[],
): Promise<void> {
  const { method, bytes } = requestOf(how);
  client.send(bytes);
  const read = (): ReturnType<typeof readResponses> =>
    readResponses(client.text, [method, 'GET'], client.isEnded && client.error === '');
  await eventually('a response', () => client.isEnded || read()[0]?.isComplete === true);
  const [first] = read();
  assert.equal(first?.status, Number(result.slice(0, 3)));
  if (result.endsWith(' cut')) {
    await within('the cut', client.ended());
    assert.ok(client.error !== '' || !read()[0]?.isComplete, 'the cut response looks complete');
    return;
  }
  assert.ok(first.isComplete);
  if (expected.body !== undefined) assert.equal(first.body, expected.body);
  if (expected.interims !== undefined) assert.deepEqual(first.interims, expected.interims);
  for (const field of expected.has) assert.ok(first.fields.includes(field), `lacks ${field}`);
  for (const name of expected.lacks) assert.deepEqual(values(first, name), [], `has ${name}`);
  if (how === 'http/1.0') return void (await within('the close', client.ended()));
  client.send(head('GET /next HTTP/1.1', 'Host: a'));
  await eventually('the next response', () => client.isEnded || read()[1]?.isComplete === true);
  assert.deepEqual(
    read().map((response) => response.body),
    [first.body, 'fine'],
  );
  const [then, now] = connectionOf;
  if (expected.marks.has('reused')) assert.equal(now, then, 'a new connection to the server');
  if (expected.marks.has('fresh')) assert.notEqual(now, then, 'the same connection to the server');
}

for (const isDripped of [false, true]) {
  test(`hostile and lawful responses, ${isDripped ? 'byte by byte' : 'whole'}`, async (t) => {
    let current: Row | undefined;
    /** The server's connection of a row's request, and of the one behind it. */
    const connectionOf: number[] = [];
    const lab = await startLab(
      t,
      { limits: { responseHeadBytesMax: 2000 } },
      async (socket, request, connection) => {
        const isNext = request.line.startsWith('GET /next');
        connectionOf[isNext ? 1 : 0] = connection;
        if (isNext) return void socket.write(`${OK}Content-Length: 4\r\n\r\nfine`);
        const [, response = '', ending = ''] = current?.columns ?? [];
        if (isDripped && response.length < 1000) {
          for (const byte of response) {
            socket.write(byte, 'latin1');
            await new Promise((resolve) => setImmediate(resolve));
          }
        } else socket.write(response, 'latin1');
        finish(socket, ending);
      },
    );
    const problems: string[] = [];
    for (const row of ROWS) {
      current = row;
      const client = new RawClient(t, lab.port);
      try {
        await check(row, client, connectionOf);
      } catch (error) {
        problems.push(
          `rule ${row.rule}, ${row.name}: ${String(error)} ${client.text.slice(0, 300)}`,
        );
      }
      client.socket.destroy();
    }
    assert.deepEqual([...problems, ...lab.problems], []);
    await eventually('quiet', lab.isQuiet);
  });
}

const RESPONSES: Readonly<Record<string, string>> = {
  length: `${OK}Content-Length: 11\r\n\r\nhello world`,
  chunked: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x\r\n world\r\n0\r\nT: x\r\n\r\n`,
  close: `${OK}Connection: close\r\n\r\nhello world`,
};

for (const [framing, response] of Object.entries(RESPONSES)) {
  test(`a response (${framing}) cut at any byte never looks complete`, async (t) => {
    let cut = 0;
    let ending: Ending = 'fin';
    const lab = await startLab(t, {}, (socket) => {
      socket.write(response.slice(0, cut), 'latin1', () => finish(socket, ending));
    });
    const bodyStart = response.indexOf('\r\n\r\n') + 4;
    for (ending of ['fin', 'reset'] as const) {
      for (const minor of [1, 0] as const) {
        for (cut = 0; cut < response.length; cut += 1) {
          const where: string = `${ending} at ${cut} for 1.${minor}`;
          const client = new RawClient(t, lab.port);
          client.send(`GET / HTTP/1.${minor}\r\nHost: a\r\nConnection: close\r\n\r\n`);
          await within(where, client.ended());
          client.socket.destroy();
          const isEnded = client.error === '';
          const seen = readResponses(client.text, ['GET'], isEnded)[0];
          const looksComplete = seen?.isComplete === true && isEnded;
          if (cut < bodyStart) assert.equal(seen?.status, 502, where);
          else if (framing === 'close' && ending === 'fin') {
            assert.ok(looksComplete, where);
            assert.equal(seen.body, response.slice(bodyStart, cut), where);
          } else if (looksComplete) assert.equal(seen.status, 502, `${where}: ${client.text}`);
        }
      }
    }
    assert.deepEqual(lab.problems, []);
    await eventually('quiet', lab.isQuiet);
  });
}
