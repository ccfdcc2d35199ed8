// The one declaration of a server's attributes, gone over from the file to the data plane.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../config.ts';
import {
  isSameAttributes,
  SERVER_ATTRIBUTES,
  type ServerAttributes,
  STATE_FIELDS,
  stateAttributes,
  withFile,
} from '../model.ts';
import { readInstance, recordOf } from '../registry.ts';

const FILE: ServerAttributes = {
  ...{ weight: 3, maxFails: 4, failTimeoutMs: 7000, maxConns: 9, backup: true, down: true },
};
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

function read(record: unknown) {
  const found = readInstance('upstreams/app/10.0.0.1:80', bytes(record), 'upstreams/');
  assert('instance' in found);
  assert.deepEqual(found.problems, []);
  return found.instance;
}

test('a server of the file, written as a record, is read as the same server', () => {
  assert.deepEqual(
    stateAttributes(withFile(read(recordOf(FILE)), undefined)),
    stateAttributes(FILE),
  );
  assert.equal(read(recordOf(FILE)).down, true);
  assert.deepEqual(recordOf(FILE), {
    ...{ weight: 3, max_fails: 4, fail_timeout: 7, max_conns: 9, backup: 1, down: 1 },
  });
});

test('the defaults of the file and of a record are those of the declaration', () => {
  const yaml = 'upstreams: { app: { servers: ["10.0.0.1:80"] } }';
  const server = parseConfig(yaml, '/tmp/sluice.yaml').upstreams[0]?.servers[0];
  const record = read({});
  for (const [field, attribute] of Object.entries(SERVER_ATTRIBUTES)) {
    const name = field as keyof ServerAttributes;
    if (attribute.unit === 'flag') {
      assert.deepEqual([server?.[name], record[name]], [false, false], name);
      continue;
    }
    const one = attribute.unit === 'seconds' ? 1000 : 1;
    assert.equal(server?.[name], attribute.file.initial * one, name);
    const { initial } = attribute.record;
    assert.equal(record[name], initial === null ? undefined : initial * one, name);
  }
});

test('what a record leaves out is as in the file, where the file has the server', () => {
  assert.equal(withFile(read({}), FILE).maxConns, 9);
  assert.equal(withFile(read({ max_conns: 0 }), FILE).maxConns, 0, '0 is said, not left out');
  assert.equal(withFile(read({}), undefined).maxConns, 0);
  assert.equal(withFile(read({}), FILE).weight, 1, 'a record wins in all else');
  assert.equal(withFile(read({}), FILE).backup, false);
});

test('each attribute of the data plane alone makes a difference', () => {
  for (const field of STATE_FIELDS) {
    const other = { ...FILE, [field]: field === 'backup' ? false : 1 };
    assert.equal(isSameAttributes(FILE, other), false, field);
  }
  assert.equal(isSameAttributes(FILE, { ...FILE }), true);
  assert.deepEqual('down' in stateAttributes(FILE), false, 'it is in the admin state there');
});
