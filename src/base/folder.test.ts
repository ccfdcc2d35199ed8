// Folders for our state: created with those above, refused without trying for ever.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFolder } from './folder.ts';

test('creates what is missing, for its owner only, and says where that begins', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-folder-'));
  t.after(() => rmSync(root, { recursive: true }));
  assert.equal(createFolder(join(root, 'a/b/c')), join(root, 'a'));
  assert.equal(statSync(join(root, 'a/b/c')).mode & 0o777, 0o700);
  assert.equal(createFolder(join(root, 'a/b/c')), undefined);
  assert.equal(createFolder(join(root, 'a/d')), join(root, 'a/d'));
  writeFileSync(join(root, 'file'), '');
  assert.throws(() => createFolder(join(root, 'file')), { code: 'EEXIST' });
  assert.throws(() => createFolder(join(root, 'file/below')), { code: 'ENOTDIR' });
});

test('gives up where the system creates nothing', { skip: process.platform !== 'linux' }, () => {
  const program = `
    import { createFolder } from ${JSON.stringify(new URL('./folder.ts', import.meta.url).href)};
    createFolder('/proc/sluice/state');`;
  // A process of its own: what it is afraid of can only be killed.
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 30_000,
    killSignal: 'SIGKILL',
  });
  assert.equal(child.signal, null);
  assert.match(child.stderr, /ENOENT/);
});
