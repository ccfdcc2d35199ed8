// A process that has an instance's port although it is not the instance's. Most often it serves
// production: it was started by the releases of another checkout, by another user, or by hand. So it
// is described as well as it can be seen, and never is anybody told to end it.

import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Address, formatAddress } from '../../base/units.ts';
import type { ServiceConfig } from '../../config.ts';
import {
  commandOf,
  holderOf,
  instanceProcesses,
  listeningSockets,
  MARK,
  type ProcessName,
  userOf,
  variableOf,
} from '../hosts/process-table.ts';
import { recordFile } from '../journal/files.ts';
import { isListening } from '../probe.ts';

/** Who has the port and is not of this instance, in words; '' when all is well. */
export async function strangerOn(
  service: ServiceConfig,
  address: Address,
  own: ProcessName | null,
): Promise<string> {
  const sockets = await listeningSockets(address);
  // The usual answer first: looking through every process of the machine is slow.
  if (own !== null && (await holderOf(sockets, [own.pid])) !== undefined) return '';
  const mark = recordFile(service, formatAddress(address));
  const ours = await instanceProcesses(mark, own ?? undefined);
  const pids = ours.map(({ pid }) => pid);
  if ((await holderOf(sockets, pids)) !== undefined) return '';
  const pid = await holderOf(sockets);
  if (pid !== undefined) return describe(pid);
  if (own !== null || !(await isListening(address))) return '';
  const [user] = sockets.values();
  const whose = user === undefined ? '' : ` of ${await userOf(user)}`;
  return `a process${whose} that this user cannot see`;
}

/** `pid 7 (node app.js) of alice, started by the releases in /srv/app/.sluice/run/app`. */
export async function describe(pid: number): Promise<string> {
  const owner = await stat(`/proc/${pid}`).then(
    ({ uid }) => uid,
    () => process.getuid?.(),
  );
  const whose = owner === process.getuid?.() ? '' : ` of ${await userOf(owner ?? -1)}`;
  const record = await variableOf(pid, MARK);
  const from = record === '' ? '' : `, started by the releases in ${dirname(record)}`;
  return `pid ${pid} (${await commandOf(pid)})${whose}${from}`;
}

/** The ways on that harm nobody. */
export function strangerAdvice(service: ServiceConfig): string {
  return (
    `it is not known as started by a release kept in ${service.runDir} (a start command that goes into ` +
    'the background and clears its environment leaves such a one), and it may serve requests: leave it; ' +
    'deploy from the checkout (its state_dir) and as the user that started it, or give the instance ' +
    `another port in services.${service.name}.instances`
  );
}
