import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildService } from '../../../test/support/release/builders.ts';
import type { ServiceConfig } from '../../config.ts';
import { identityAtStart } from '../hosts.ts';
import { journalFolder } from './files.ts';
import { readHistory } from './history.ts';
import { Journal } from './journal.ts';
import type { JournalRecord } from './lines.ts';
import { openJournal as openFor } from './open.ts';

async function openJournal(service: ServiceConfig, version: string) {
  const { journal } = await openFor({ service, version });
  const write = (record: JournalRecord) => journal.write(journal.stamp(record));
  return { id: journal.id, write, close: () => journal.close() };
}

test('a journal without an end locks the service as long as its runner lives', async (t) => {
  const service = await buildService(t, 0);
  const journal = await openJournal(service, 'v1');
  t.after(() => journal.close());
  assert.equal(journal.id, 'r1');
  await journal.write({ kind: 'intent', instance: '127.0.0.1:9001', step: 'drain' });
  await assert.rejects(openJournal(service, 'v2'), {
    code: 'locked',
    message: new RegExp(
      `^service "app": release r1 to v1 by .+ \\(pid ${process.pid}\\) has been .+ in drain of 127`,
    ),
  });
  await journal.write({ kind: 'end', data: { outcome: 'failed' } });
  const next = await openJournal(service, 'v2');
  await next.close();
  assert.equal(next.id, 'r2');
});

test('a dead runner, and one whose pid was given to another process, lock nothing', async (t) => {
  const service = await buildService(t, 0);
  const folder = journalFolder(service);
  await mkdir(folder, { recursive: true });
  const begin = (pid: number, identity: string): string =>
    `${JSON.stringify({ seq: 0, ts: new Date().toISOString(), release: 'x', kind: 'begin', data: { pid, identity, version: 'v9', user: 'eve' } })}\n`;
  const child = spawn(process.execPath, ['-e', '']);
  const identity = identityAtStart(child.pid ?? 0);
  await once(child, 'exit');
  await writeFile(join(folder, 'r1.jsonl'), begin(child.pid ?? 0, identity));
  assert.equal((await readHistory(service))[0]?.over, true);
  await writeFile(join(folder, 'r2.jsonl'), begin(process.pid, `${identityAtStart(process.pid)}0`));
  assert.equal((await readHistory(service))[0]?.over, true);
  await writeFile(join(folder, 'r3.jsonl'), begin(process.pid, identityAtStart(process.pid)));
  assert.equal((await readHistory(service))[0]?.over, false);
});

test('of many that try at the same time one gets the service', async (t) => {
  const service = await buildService(t, 0);
  const tries = await Promise.allSettled(
    Array.from({ length: 20 }, () => openJournal(service, 'v1')),
  );
  const journals = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  t.after(() => Promise.all(journals.map((journal) => journal.close())));
  assert.deepEqual(
    journals.map((journal) => journal.id),
    ['r1'],
  );
  for (const one of tries) {
    if (one.status === 'rejected') assert.equal(one.reason.code, 'locked');
  }
});

test('a torn last record is no record, and garbage is a release that is over', async (t) => {
  const service = await buildService(t, 0);
  const journal = await openJournal(service, 'v1');
  await journal.write({ kind: 'intent', instance: 'a:1', step: 'stop' });
  await journal.close();
  const file = join(journalFolder(service), 'r1.jsonl');
  await appendFile(file, '{"seq":2,"kind":"end","data":{"outc');
  const [past] = await readHistory(service);
  assert.equal(past?.outcome, '');
  assert.equal(past?.lastStep, 'stop of a:1');
  await writeFile(join(journalFolder(service), 'r2.jsonl'), '\0\0not a journal\n[]\nnull\n');
  assert.equal((await readHistory(service))[0]?.over, true);
  const next = await openJournal(service, 'v2');
  await next.close();
  assert.equal(next.id, 'r3');
});

test('records are numbered lines, and one that was written in part harms no other', async (t) => {
  const service = await buildService(t, 0);
  const begun = await openJournal(service, 'v1');
  await begun.close();
  const file = join(journalFolder(service), 'r1.jsonl');
  const handle = await open(file, 'a');
  t.after(() => handle.close());
  const { writeFile: write } = handle;
  const journal = new Journal('r1', file, handle);
  const record = (step: string) =>
    journal.write(journal.stamp({ kind: 'intent', instance: 'a:1', step }));
  await record('drain');
  // As on a full disk.
  handle.writeFile = async (text) => {
    await write.call(handle, String(text).slice(0, 20));
    throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
  };
  await assert.rejects(record('stop'), { code: 'storage_full', message: new RegExp(file) });
  handle.writeFile = write;
  await record('start');
  await record('check');
  const lines = (await readFile(file, 'utf8')).split('\n');
  const steps = lines.map((line) => /"seq":(\d).*"step":"(\w+)"/.exec(line)?.slice(1).join(' '));
  assert.deepEqual(steps, [undefined, '1 drain', undefined, '3 start', '4 check', undefined]);
  assert.equal((await readHistory(service))[0]?.lastStep, 'check of a:1');
});

test('old journals go, the newest hundred stay, and no temporary file is left', async (t) => {
  const service = await buildService(t, 0);
  const folder = journalFolder(service);
  await mkdir(folder, { recursive: true });
  for (let number = 1; number <= 105; number += 1) {
    await writeFile(join(folder, `r${number}.jsonl`), '');
  }
  const journal = await openJournal(service, 'v1');
  await journal.close();
  const names = await readdir(folder);
  assert.equal(names.length, 100);
  assert(names.includes('r7.jsonl') && names.includes('r106.jsonl') && !names.includes('r6.jsonl'));
});

test('a folder that cannot be written is an error with the path and a remedy', async (t) => {
  const service = await buildService(t, 0);
  await writeFile(join(service.runDir, 'app'), 'a file, where a folder should be');
  await assert.rejects(openJournal(service, 'v1'), {
    code: 'storage_failed',
    message: /app\/releases: cannot be written \(ENOTDIR\); see the run_dir of the service/,
  });
});
