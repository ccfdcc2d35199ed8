// `sluice upgrade`: the program that is on the disk now takes over from the one that runs.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { StatusDocument } from '../../admin.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import type { ControlClient } from '../../client.ts';
import { controlOf, type GlobalOptions } from '../client/target.ts';
import { print, printJson, remark, visible } from '../output.ts';

const LOOK_EVERY_MS = 200;
const DEADLINE_MS = 90_000;

export function defineUpgrade(verb: Command): void {
  verb
    .summary('let the installed version take over')
    .description('Have the program that is on the disk now take over from the one that runs.')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
The gateway starts the program anew, with the same arguments; that one reads the
configuration, also what a reload cannot change. No client is refused: it takes
over the sockets, and what is under way ends where it is. When it does not come
up the running one goes on. SIGUSR2 does the same.

Example:
  $ npm install -g sluice@2 && sluice upgrade`,
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const control = await controlOf(options);
      const { version: before } = await control.status();
      const { pid } = await control.upgrade();
      remark(`sluice: process ${pid} has loaded everything and takes over`);
      const { version } = await untilThere(control, pid);
      if (options.json === true) printJson({ pid, version, before });
      else print(`process ${pid} serves, version ${visible(version)} (before: ${visible(before)})`);
    });
}

/** @throws conflict when the old one goes on, timeout */
async function untilThere(control: ControlClient, pid: number): Promise<StatusDocument> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const status = await lookAt(control);
    if (status?.process?.pid === pid) return status;
    const trouble = status?.process?.trouble ?? '';
    if (trouble !== '') throw new SluiceError('conflict', `the old process goes on: ${trouble}`);
    if (performance.now() > deadlineMs) {
      throw new SluiceError('timeout', `process ${pid} does not serve yet; see its log`);
    }
    await sleep(LOOK_EVERY_MS);
  }
}

/** Undefined: the control API is between the two. */
async function lookAt(control: ControlClient): Promise<StatusDocument | undefined> {
  try {
    return await control.status();
  } catch (error) {
    if (isSluiceError(error) && (error.code === 'unreachable' || error.code === 'timeout')) {
      return undefined;
    }
    throw error;
  }
}
