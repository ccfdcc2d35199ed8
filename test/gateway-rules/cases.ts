// Runs a table of requests through one gateway: each with a second request glued behind it, whole
// and byte by byte. A refused one must take the glued one with it; an accepted one must leave it
// whole. What the server saw is read by the laboratory's own strict reader.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type GatewayPatch, RawClient } from '../gateway-builders.ts';
import {
  converse,
  drip,
  type Lab,
  type Message,
  readResponses,
  startLab,
  values,
  within,
} from '../gateway-lab.ts';

export type Refused = {
  readonly rule: number;
  readonly name: string;
  readonly bytes: string;
  /** The status of the refusal. */
  readonly refused: number;
  /** Not byte by byte: too long, or the split matters. */
  readonly wholeOnly?: boolean;
};

export type Accepted = {
  readonly rule: number;
  readonly name: string;
  readonly bytes: string;
  /** Method and target as the server must see them. */
  readonly line: string;
  readonly has?: readonly string[];
  readonly lacks?: readonly string[];
  readonly body?: string;
  /** The gateway closes after the answer, and the glued request is dropped. */
  readonly closes?: boolean;
  readonly wholeOnly?: boolean;
};

export type Case = Refused | Accepted;

/** `GET / HTTP/1.1` with a Host and more lines. */
export function get(...lines: readonly string[]): string {
  return head('GET / HTTP/1.1', 'Host: a', ...lines);
}

export function post(...lines: readonly string[]): string {
  return head('POST / HTTP/1.1', 'Host: a', ...lines);
}

export function head(...lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`;
}

export function chunked(body: string): string {
  return post('Transfer-Encoding: chunked') + body;
}

export function runCases(title: string, cases: readonly Case[], patch: GatewayPatch = {}): void {
  for (const isDripped of [false, true]) {
    test(`${title}, ${isDripped ? 'byte by byte' : 'whole'}`, { timeout: 110_000 }, async (t) => {
      const lab = await startLab(t, patch);
      const gone: string[] = [];
      const problems: string[] = [];
      for (const [index, one] of cases.entries()) {
        if (isDripped && one.wholeOnly === true) continue;
        const id = `/glued-${index}`;
        const glued = `GET ${id} HTTP/1.1\r\nHost: glued\r\n\r\n`;
        try {
          if ('refused' in one) {
            const { text, error } = await converse(t, lab.port, one.bytes + glued, isDripped);
            checkRefusal(one, text, error);
            gone.push(id);
          } else if (await isRelayed(t, lab, one, glued, id, isDripped)) gone.push(id);
        } catch (error) {
          problems.push(`rule ${one.rule}, ${one.name}: ${String(error)}`);
        }
      }
      // A last request behind them all: whatever was to reach the server has reached it.
      await converse(t, lab.port, get('Connection: close'));
      const seen = lab.received.join('');
      for (const id of gone) {
        if (new RegExp(`${id}[^0-9]`).test(seen)) problems.push(`${id} reached the server`);
      }
      assert.deepEqual([...problems, ...lab.problems], []);
    });
  }
}

function checkRefusal(one: Refused, text: string, error: string): void {
  assert.equal(error, '', 'a reset instead of a lingering close');
  const [response, ...others] = readResponses(text, [], true);
  assert.equal(response?.status, one.refused, text);
  assert.equal(response?.isComplete, true);
  assert.equal(others.length, 0, 'more than one response');
  assert.deepEqual(values(response ?? { fields: [] }, 'connection'), ['close']);
}

/** True when the glued request had to be dropped. */
async function isRelayed(
  t: Parameters<typeof converse>[0],
  lab: Lab,
  one: Accepted,
  glued: string,
  id: string,
  isDripped: boolean,
): Promise<boolean> {
  const before = lab.requests.length;
  const method = one.line.slice(0, one.line.indexOf(' '));
  const methods = [method, 'GET'];
  const client = new RawClient(t, lab.port);
  if (isDripped) await drip(client, one.bytes + glued);
  else client.send(one.bytes + glued);
  const closes = one.closes === true;
  const what = `answers to ${one.name}`;
  if (closes) await within(what, client.ended());
  else
    await within(
      what,
      client.until((text) => text.includes(`ok GET ${id} `)),
    );
  client.socket.destroy();
  const responses = readResponses(client.text, methods, client.isEnded);
  assert.deepEqual(
    responses.map(({ status, isComplete }) => [status, isComplete]),
    closes
      ? [[200, true]]
      : [
          [200, true],
          [200, true],
        ],
  );
  const seen = lab.requests.slice(before);
  const first = seen.find((request) => !request.line.includes('/glued'));
  assert.equal(seen.length, closes ? 1 : 2, 'number of requests at the server');
  assert.ok(first !== undefined);
  checkRequest(one, first);
  return closes;
}

function checkRequest(one: Accepted, request: Message): void {
  assert.equal(request.line, `${one.line} HTTP/1.1`);
  assert.equal(request.body, one.body ?? '');
  for (const field of one.has ?? []) assert.ok(request.fields.includes(field), `lacks ${field}`);
  for (const name of one.lacks ?? []) assert.deepEqual(values(request, name), [], `has ${name}`);
}
