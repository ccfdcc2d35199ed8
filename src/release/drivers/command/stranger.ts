// A process that has an instance's port although it is not the instance's. Most often it serves
// production: it was started by the releases of another checkout, by another user, or by hand. So it
// is described as well as it can be seen, and never is anybody told to end it.

import { dirname } from 'node:path';
import type { Host, ProcessName } from '../../hosts.ts';
import type { CommandScope } from './command-launch.ts';
import { instanceProcesses, MARK } from './processes.ts';

/** Who has the port and is not of this instance, in words; '' when all is well. */
export async function strangerOn(
  { host, address, mark }: CommandScope,
  port: number,
  own: ProcessName | null,
): Promise<string> {
  const place = { ...address, port };
  const sockets = await host.sockets(place);
  // The usual answer first: looking through every process of the machine is slow.
  if (own !== null && (await host.holderOf(sockets, [own.pid])) !== undefined) return '';
  const ours = await instanceProcesses(host, mark, own ?? undefined);
  const pids = ours.map(({ pid }) => pid);
  if ((await host.holderOf(sockets, pids)) !== undefined) return '';
  const pid = await host.holderOf(sockets);
  if (pid !== undefined) return describe(host, pid);
  if (own !== null || !(await host.isListening(place))) return '';
  const [user] = sockets.values();
  const whose = user === undefined ? '' : ` of ${await host.userName(user)}`;
  return `a process${whose} that this user cannot see`;
}

/** `pid 7 (node app.js) of alice, started by the releases in /srv/app/.sluice/run/app`. */
export async function describe(host: Host, pid: number): Promise<string> {
  const owner = await host.ownerOf(pid);
  const whose = owner === '' ? '' : ` of ${owner}`;
  const record = await host.variableOf(pid, MARK);
  const from = record === '' ? '' : `, started by the releases in ${dirname(record)}`;
  return `pid ${pid} (${await host.commandOf(pid)})${whose}${from}`;
}
