// Rules 1 to 56: each request of requests.txt with a second request glued behind it, whole and byte
// by byte. A refused one must take the glued one with it; an accepted one must leave it whole.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { frontScheme, type GatewayPatch, RawClient } from '../support/gateway/builders.ts';
import {
  converse,
  drip,
  get,
  type Lab,
  readResponses,
  startLab,
  values,
  within,
} from '../support/gateway/lab.ts';
import { type Row, readTable } from '../support/gateway/rule-table.ts';

const ROWS = readTable('requests.txt', 2);

/** Limits that the cases of a section know. */
const PATCHES: Readonly<Record<string, GatewayPatch>> = {
  'lines and targets': { limits: { uriBytesMax: 300, headBytesMax: 1500, fieldsMax: 10 } },
};

for (const section of new Set(ROWS.map((row) => row.section))) {
  for (const isDripped of [false, true]) {
    test(`${section}, ${isDripped ? 'byte by byte' : 'whole'}`, async (t) => {
      const lab = await startLab(t, PATCHES[section]);
      const problems: string[] = [];
      const dropped: string[] = [];
      const rows = ROWS.filter((row) => row.section === section);
      for (const [index, row] of rows.entries()) {
        if (isDripped && row.expected.marks.has('whole')) continue;
        const glued = `/glued-${index}`;
        try {
          const isDropped = await check(t, lab, row, { glued, isDripped });
          if (isDropped) dropped.push(glued);
        } catch (error) {
          problems.push(`rule ${row.rule}, ${row.name}: ${String(error)}`);
        }
      }
      // A last request behind them all: whatever was to reach the server has reached it.
      await converse(t, lab.port, get('Connection: close'));
      const seen = lab.received.join('');
      for (const glued of dropped) {
        if (new RegExp(`${glued}[^0-9]`).test(seen)) problems.push(`${glued} reached the server`);
      }
      assert.deepEqual([...problems, ...lab.problems], []);
    });
  }
}

type Way = { readonly glued: string; readonly isDripped: boolean };

/** True when the glued request had to be dropped. */
async function check(t: TestContext, lab: Lab, row: Row, way: Way): Promise<boolean> {
  const [bytes = '', result = ''] = row.columns;
  const both = `${bytes}GET ${way.glued} HTTP/1.1\r\nHost: glued\r\n\r\n`;
  if (!/^[45][0-9]{2}$/.test(result)) return checkRelayed(t, lab, row, both, way);
  const before = lab.requests.length;
  const { text, error } = await converse(t, lab.port, both, way.isDripped);
  assert.equal(error, '', 'a reset instead of a lingering close');
  const [response, ...others] = readResponses(text, [], true);
  assert.equal(response?.status, Number(result), text);
  assert.ok(response.isComplete);
  assert.equal(others.length, 0, 'more than one response');
  assert.deepEqual(values(response, 'connection'), ['close']);
  assert.equal(lab.requests.length, before, 'a refused request at the server');
  return true;
}

async function checkRelayed(
  t: TestContext,
  lab: Lab,
  { columns, expected }: Row,
  bytes: string,
  { glued, isDripped }: Way,
): Promise<boolean> {
  const line = columns[1] ?? '';
  const before = lab.requests.length;
  const client = new RawClient(t, lab.port);
  if (isDripped) await drip(client, bytes);
  else client.send(bytes);
  const closes = expected.marks.has('closes');
  if (closes) await within('the end', client.ended());
  else
    await within(
      'both answers',
      client.until((text) => text.includes(`ok GET ${glued} `)),
    );
  client.socket.destroy();
  const methods = [line.slice(0, line.indexOf(' ')), 'GET'];
  const responses = readResponses(client.text, methods, client.isEnded);
  assert.deepEqual(
    responses.map(({ status, isComplete }) => `${status} ${isComplete}`),
    closes ? ['200 true'] : ['200 true', '200 true'],
  );
  const [first, second, ...others] = lab.requests.slice(before);
  assert.equal(first?.line, `${line} HTTP/1.1`);
  assert.equal(first.body, expected.body ?? '');
  for (const each of expected.has) {
    const field = each.replace(/^(X-Forwarded-Proto: )http$/, `$1${frontScheme}`);
    assert.ok(first.fields.includes(field), `lacks ${field}`);
  }
  for (const name of expected.lacks) assert.deepEqual(values(first, name), [], `has ${name}`);
  assert.equal(second?.line, closes ? undefined : `GET ${glued} HTTP/1.1`);
  assert.equal(others.length, 0, 'more requests at the server than were sent');
  return closes;
}
