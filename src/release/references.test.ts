import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { buildService, deploy, FakeControl, ids } from '../../test/support/release/builders.ts';
import { isInstanceReference } from '../base/secrets.ts';
import { resolveReference, seenSecrets } from './references.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-references-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('what stands for another value is told from values that only begin like it', () => {
  for (const text of ['env:A', 'file:/run/secrets/a', 'cmd:pass show a', 'cmd:']) {
    assert.equal(isInstanceReference(text), true, text);
  }
  for (const text of [
    '',
    'env',
    'file:./dev.db',
    'file:///data/app.db',
    'x file:/a',
    'command:a',
  ]) {
    assert.equal(isInstanceReference(text), false, text);
  }
});

test('a file is read whole, without its last line end', async (t) => {
  const file = join(await folderOf(t), 'key');
  await writeFile(file, 'line 1\nline 2\n');
  assert.deepEqual(await resolveReference(`file:${file}`), { value: 'line 1\nline 2' });
  await writeFile(file, '');
  assert.deepEqual(await resolveReference(`file:${file}`), {
    problem: `${file} is empty; write the value into it`,
  });
  await writeFile(file, 'SQLite\0');
  assert.deepEqual(await resolveReference(`file:${file}`), {
    problem: `file:${file} holds a NUL character; a variable cannot`,
  });
  assert.deepEqual(await resolveReference(`file:${file}.gone`), {
    problem: `${file}.gone does not exist; create it with the value, where sluice runs (a plain value is written file://${file}.gone)`,
  });
});

test('a command is what it prints, or the reason why it gives nothing, without its output', async (t) => {
  const script = join(await folderOf(t), 'give');
  await writeFile(script, '#!/bin/sh\nprintf "%s %s\\n" "$1" "$#"\n[ "$1" != bad ] || exit 3\n', {
    mode: 0o755,
  });
  assert.deepEqual(await resolveReference(`cmd:${script} one  two`), { value: 'one 2' });
  const byHand = 'run it by hand, where sluice runs, to see why';
  for (const [text, how] of [
    [`cmd:${script} bad`, 'ended with code 3'],
    ['cmd:true', 'printed nothing'],
  ] as const) {
    assert.deepEqual(await resolveReference(text), { problem: `${text}: ${how}; ${byHand}` });
  }
  assert.deepEqual(await resolveReference('cmd:/no/such/program x'), {
    problem:
      'cmd:/no/such/program x: the program "/no/such/program" does not exist; install it where sluice runs',
  });
});

test('each look shares an answer, each start asks anew, and all that was given stays a secret', async (t) => {
  const folder = await folderOf(t);
  const script = join(folder, 'next');
  await writeFile(script, `#!/bin/sh\necho >>${folder}/n; echo "secret-$(wc -l <${folder}/n)"\n`, {
    mode: 0o755,
  });
  const text = `cmd:${script}`;
  const first = { value: 'secret-1' };
  assert.deepEqual(await Promise.all([resolveReference(text), resolveReference(text)]), [
    first,
    first,
  ]);
  assert.deepEqual(await resolveReference(text, { isFresh: true }), { value: 'secret-2' });
  const seen = seenSecrets(text);
  assert(seen.includes('secret-1') && seen.includes('secret-2'));
});

test('a secret of a command that changes at each start is in no event and no result', async (t) => {
  const folder = await folderOf(t);
  const script = join(folder, 'next');
  await writeFile(
    script,
    `#!/bin/sh\necho >>${folder}/n; echo "hush-hush-$(wc -l <${folder}/n)"\n`,
    {
      mode: 0o755,
    },
  );
  const app = `console.log('got ' + process.env.PASSWORD); process.exit(1)`;
  const service = await buildService(t, 1, {
    secrets: { PASSWORD: `cmd:${script}` },
    start: [process.execPath, '-e', app],
  });
  const deployed = await deploy(service, new FakeControl(ids(service)), 'v1');
  assert(deployed.result.evidence.includes('app log: got ***'), deployed.result.reason);
  assert.doesNotMatch(JSON.stringify(deployed), /hush-hush/);
});

test('a reference that leads nowhere is named before anything is touched', async (t) => {
  const service = await buildService(t, 1, { secrets: { KEY: 'file:/no/such/key' } });
  const control = new FakeControl(ids(service));
  const { result } = await deploy(service, control, 'v1');
  assert.equal(result.exit, 3);
  assert.match(result.reason, /env\.KEY: \/no\/such\/key does not exist; create it with the value/);
  assert.deepEqual(control.calls, []);
});
