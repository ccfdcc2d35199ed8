import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { writeHeader } from './header.ts';
import { packFolder } from './pack.ts';
import { readTar, type TarEntry } from './read.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-tar-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function* pieces(bytes: Buffer, size = bytes.length): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function entriesOf(bytes: Buffer, size?: number): Promise<TarEntry[]> {
  return all(readTar(pieces(bytes, size), (name) => name.endsWith('wanted')));
}

async function packed(path: string, isLeftOut = (_: string) => false): Promise<Buffer> {
  return Buffer.concat(await all(packFolder(path, isLeftOut)));
}

const LONG = 'd'.repeat(90);

/** Short and long names, a link, an empty folder, a program, a name that is not ASCII. */
function tree(root: string): void {
  mkdirSync(join(root, LONG, LONG), { recursive: true });
  mkdirSync(join(root, 'empty'));
  writeFileSync(join(root, LONG, LONG, 'wanted'), 'v7\n');
  writeFileSync(join(root, 'ü.txt'), 'x'.repeat(1500));
  writeFileSync(join(root, 'run.sh'), '#!/bin/sh\n', { mode: 0o700 });
  symlinkSync(`../${'t'.repeat(120)}`, join(root, 'empty', 'link'));
}

for (const format of ['gnu', 'pax', 'ustar', 'v7']) {
  test(`reads what tar writes as ${format}`, async (t) => {
    const root = folder(t);
    mkdirSync(join(root, 'in', 'sub'), { recursive: true });
    if (format === 'gnu' || format === 'pax') tree(join(root, 'in'));
    writeFileSync(join(root, 'in', 'sub', 'wanted'), 'v1\n');
    symlinkSync('sub/wanted', join(root, 'in', 'link'));
    execFileSync('ln', [join(root, 'in/sub/wanted'), join(root, 'in/sub/same')]);
    execFileSync('tar', ['--sort=name', `--format=${format}`, '-cf', 'a.tar', '-C', 'in', '.'], {
      cwd: root,
    });
    const bytes = readFileSync(join(root, 'a.tar'));
    const entries = await entriesOf(bytes);
    const listed = execFileSync('tar', ['-tf', 'a.tar', '--quoting-style=literal'], { cwd: root });
    assert.deepEqual(
      entries.map(({ name, kind }) => (kind === 'folder' ? name.replace(/\/?$/, '/') : name)),
      listed.toString().trimEnd().split('\n'),
    );
    const kinds = Object.fromEntries(entries.map((entry) => [entry.name, entry]));
    assert.equal(kinds['./link']?.target, 'sub/wanted');
    assert.equal(kinds['./sub/wanted']?.kind, 'hard link');
    assert.equal(kinds['./sub/same']?.size, 3);
    for (const size of [1, 511, 513]) assert.deepEqual(await entriesOf(bytes, size), entries);
  });
}

test('what is packed is unpacked by tar as it was', async (t) => {
  const root = folder(t);
  mkdirSync(join(root, 'in'));
  mkdirSync(join(root, 'out'));
  tree(join(root, 'in'));
  writeFileSync(join(root, 'a.tar'), await packed(join(root, 'in')));
  execFileSync('tar', ['-xf', 'a.tar', '-C', 'out'], { cwd: root });
  execFileSync('diff', ['-r', '--no-dereference', 'in', 'out'], { cwd: root });
  const modes = execFileSync('stat', ['-c', '%a', 'run.sh', 'ü.txt'], { cwd: join(root, 'out') });
  assert.equal(modes.toString(), '755\n644\n');
  const entries = await entriesOf(readFileSync(join(root, 'a.tar')));
  const wanted = entries.find(({ name }) => name.endsWith('wanted'));
  assert.equal(wanted?.name, `${LONG}/${LONG}/wanted`);
  assert.equal(wanted?.content?.toString(), 'v7\n');
});

test('the same files are the same bytes, whoever made them and when', async (t) => {
  const root = folder(t);
  for (const name of ['one', 'two']) {
    mkdirSync(join(root, name));
    tree(join(root, name));
  }
  const two = join(root, 'two');
  utimesSync(join(two, 'run.sh'), 1, 1);
  chmodSync(join(two, 'ü.txt'), 0o664);
  const [first, second] = [await packed(join(root, 'one')), await packed(two)];
  assert(first.equals(second));
  writeFileSync(join(two, 'ü.txt'), 'y'.repeat(1500));
  assert(!first.equals(await packed(two)));
  const without = await entriesOf(await packed(two, (path) => path === 'empty'));
  assert(without.length > 0 && without.every(({ name }) => !name.startsWith('empty')));
});

test('a pipe in a folder is named, not packed', async (t) => {
  const root = folder(t);
  execFileSync('mkfifo', [join(root, 'pipe')]);
  await assert.rejects(packed(root), /holds pipe, which is no file, folder or link/);
});

function header(name: string, type: string, size = 0, target = ''): Buffer {
  return writeHeader({ name, type, mode: 0o644, size, target }, 0);
}

function pax(type: 'x' | 'g', text: string): Buffer {
  const record = `${text.length + 4} ${text}\n`;
  const body = Buffer.alloc(512);
  body.write(record);
  return Buffer.concat([header('pax', type, record.length), body]);
}

const END = Buffer.alloc(1024);

const BROKEN: readonly [string, Buffer, RegExp][] = [
  ['nothing', Buffer.alloc(0), /is no tar archive/],
  ['a text', Buffer.from('no tar'.repeat(200)), /is no tar archive/],
  ['half a body', Buffer.concat([header('a', '0', 600), Buffer.alloc(512)]), /ends in the middle/],
  ['half a header', Buffer.concat([header('a', '0'), Buffer.alloc(5)]), /is broken at byte 512/],
  ['a second archive', Buffer.concat([header('a', '0'), END, header('b', '0')]), /after its end/],
  ['a global path', Buffer.concat([pax('g', 'path=../x'), header('a', '0')]), /global pax header/],
  ['a size in words', Buffer.concat([pax('x', 'size=many'), header('a', '0')]), /size that is no/],
  ['an endless name', Buffer.concat([header('x', 'L', 1e6), END]), /has an endless name/],
];
for (const [what, bytes, message] of BROKEN) {
  test(`refuses ${what}`, async () => {
    await assert.rejects(entriesOf(bytes), { message });
  });
}

test('an archive may end without the blocks that say so', async () => {
  const entries = await entriesOf(Buffer.concat([header('a', '0'), header('b', '0')]));
  assert.deepEqual(
    entries.map(({ name }) => name),
    ['a', 'b'],
  );
});

test('what is no file has its own word', async () => {
  for (const [type, what] of [
    ['3', 'a device'],
    ['6', 'a pipe'],
    ['S', 'a file with holes (tar --sparse)'],
    ['V', 'of an unknown type'],
  ] as const) {
    const [entry] = await entriesOf(Buffer.concat([header('a', type), END]));
    assert.deepEqual([entry?.kind, entry?.what], ['other', what]);
  }
  const [body] = await entriesOf(Buffer.concat([header('a', '2', 512, 'b'), END, END]));
  assert.deepEqual([body?.kind, body?.what], ['other', 'a link with a body']);
  const [sparse] = await entriesOf(
    Buffer.concat([pax('x', 'GNU.sparse.size=9'), header('a', '0'), END]),
  );
  assert.equal(sparse?.kind, 'other');
});
