// Loaded into a runner by `node --import`: kills it, as by kill -9, before or after it has written a record
// of its journal. SLUICE_TEST_KILL is `before:7` or `after:7`, with the number of the record.
//
// Before `done` of a step its effect is there, and nobody has written it down.

import { type FileHandle, open } from 'node:fs/promises';

const [when = '', number = ''] = (process.env['SLUICE_TEST_KILL'] ?? '').split(':');
const none = await open('/dev/null', 'r');
// Every file that is opened has it, so the journal's, too.
const handles: Pick<FileHandle, 'writeFile'> = Object.getPrototypeOf(none);
await none.close();
const write = handles.writeFile;

handles.writeFile = async function killed(this: FileHandle, ...args): Promise<void> {
  const isIt = seqOf(args[0]) === Number(number);
  if (isIt && when === 'before') await kill();
  await write.apply(this, args);
  if (isIt && when === 'after') await kill();
};

/** Undefined of what is no line of a journal. */
function seqOf(text: unknown): number | undefined {
  const found = typeof text === 'string' ? /^\s*\{.*"seq":(\d+),"ts":/.exec(text) : null;
  return found === null ? undefined : Number(found[1]);
}

function kill(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
}
