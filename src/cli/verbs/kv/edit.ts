// `sluice kv edit`: the value of one key in an editor, written only if nobody else wrote meanwhile. What
// could not be written is kept in its file.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { messageOf, SluiceError } from '../../../base/errors.ts';
import type { RecordStore } from '../../../registry.ts';
import { print, warn } from '../../output.ts';
import { type KvOptions, parseKey, withRegistry } from './records.ts';
import { remarksOn } from './remarks.ts';

export function defineEdit(verb: Command): void {
  verb
    .description('Edit the value of a key, also of one that is not there yet.')
    .argument('<key>', '', parseKey)
    .option('--force', 'also a server record that gateways will not understand')
    .addHelpText('after', '\nThe editor is VISUAL, else EDITOR, else vi.')
    .action((key: string, _: unknown, command: Command) =>
      withRegistry(command, ({ registry, prefix }, options) =>
        edit(registry, { key, prefix }, options),
      ),
    );
}

async function edit(
  registry: RecordStore,
  { key, prefix }: { readonly key: string; readonly prefix: string },
  options: KvOptions,
): Promise<void> {
  const entry = await registry.get(key);
  const before = Buffer.from(entry?.value ?? '');
  const folder = mkdtempSync(join(tmpdir(), 'sluice-edit-'));
  // Its end lets editors know the language.
  const file = join(folder, `${basename(key).replaceAll(/[^\w.-]/g, '_') || 'value'}.json`);
  let isKept = false;
  try {
    writeFileSync(file, before, { mode: 0o600 });
    await runEditor(file);
    const after = withoutAddedEnd(readFileSync(file), before);
    if (after.equals(before) && entry !== undefined) return print(`${key}: not changed`);
    if (after.length === 0 && entry === undefined) return print(`${key}: nothing to write`);
    isKept = true;
    const remarks = await remarksOn(key, after, { prefix, isForced: options.force === true });
    const isWritten = await registry.put(key, after, {
      cas: entry?.modifyIndex ?? 0,
      ...(entry === undefined ? {} : { flags: entry.flags }),
    });
    if (!isWritten) throw new SluiceError('conflict', `${key}: somebody else wrote it meanwhile`);
    isKept = false;
    print(`${key}: written`);
    for (const remark of remarks) warn(`${key}: ${remark}`);
  } catch (error) {
    if (!isKept || !(error instanceof SluiceError)) throw error;
    const message = `${messageOf(error)}; what you wrote is in ${file}`;
    throw new SluiceError(error.code, message, { cause: error });
  } finally {
    if (!isKept) rmSync(folder, { recursive: true, force: true });
  }
}

/** A line end that the editor put behind the last line. */
function withoutAddedEnd(after: Buffer, before: Buffer): Buffer {
  const isAdded = after.at(-1) === 10 && before.at(-1) !== 10;
  return isAdded ? after.subarray(0, -1) : after;
}

/** The words of the variable are a command line, as everywhere. */
async function runEditor(file: string): Promise<void> {
  const { VISUAL = '', EDITOR = '' } = process.env;
  const editor = VISUAL || EDITOR || 'vi';
  const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
  const [code, signal] = await once(child, 'exit');
  if (code === 0) return;
  const how = signal === null ? `exit code ${code}` : `${signal}`;
  throw new SluiceError('usage', `editor "${editor}": ended with ${how}; nothing was written`);
}
