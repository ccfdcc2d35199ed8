// A process that has an instance's port although it is not the instance's. Most often it serves
// production: it was started by the releases of another checkout, by another user, or by hand. So it
// is described as well as it can be seen, and never is anybody told to end it.

import { dirname } from 'node:path';
import type { Host, ProcessName } from '../hosts.ts';
import { pause } from '../wait.ts';
import type { DriverScope, MarkedScope } from './driver.ts';
import { instanceProcesses, MARK } from './processes.ts';

/** How often a port is looked at. */
const POLL_MS = 20;
/** How long a port may take to close. */
const CLOSE_WAIT_MS = 5000;
/** How long another process that has the port may keep it once ours are gone: it will not leave for us. */
const TAKEN_WAIT_MS = 1000;

/** Who has the port and is not of this instance, in words; '' when all is well. */
export async function strangerOn(
  scope: MarkedScope,
  port: number,
  own: ProcessName | null,
): Promise<string> {
  const { host, address, mark } = scope;
  const sockets = await host.sockets({ ...address, port });
  // The usual answer first: looking through every process of the machine is slow.
  if (own !== null && (await host.holderOf(sockets, [own.pid])) !== undefined) return '';
  const ours = await instanceProcesses(host, mark, own ?? undefined);
  const pids = ours.map(({ pid }) => pid);
  return strangerBeside(scope, port, pids, own !== null);
}

/** The same where the instance's processes are known. `isRunning`: it may be one that we cannot see. */
export async function strangerBeside(
  { host, address }: DriverScope,
  port: number,
  ours: readonly number[],
  isRunning: boolean,
): Promise<string> {
  const place = { ...address, port };
  const sockets = await host.sockets(place);
  if ((await host.holderOf(sockets, ours)) !== undefined) return '';
  const pid = await host.holderOf(sockets);
  if (pid !== undefined) return describe(host, pid);
  if (isRunning || !(await host.isListening(place))) return '';
  const [user] = sockets.values();
  const whose = user === undefined ? '' : ` of ${await host.userName(user)}`;
  return `a process${whose} that this user cannot see`;
}

/** The processes of an instance that something else keeps, by its leader and by their mark. */
export async function ownProcesses(
  { host, mark }: MarkedScope,
  leader: number,
): Promise<readonly number[]> {
  const all = (await host.processes(MARK)) ?? [];
  const first = all.find(({ pid }) => pid === leader && leader > 0);
  return (await instanceProcesses(host, mark, first)).map(({ pid }) => pid);
}

/** Who has the port although ours are gone; '' once it is closed. */
export async function closedPort({ host, address }: DriverScope): Promise<string> {
  const deadlineMs = performance.now() + CLOSE_WAIT_MS;
  let takenAtMs: number | undefined;
  while (await host.isListening(address)) {
    const pid = await host.holderOf(await host.sockets(address));
    const nowMs = performance.now();
    takenAtMs = pid === undefined ? undefined : (takenAtMs ?? nowMs);
    if (nowMs > deadlineMs || nowMs > (takenAtMs ?? nowMs) + TAKEN_WAIT_MS) {
      return pid === undefined
        ? `port ${address.port} is held by an unknown process`
        : `port ${address.port} was taken by ${await describe(host, pid)}, which is not of this instance`;
    }
    await pause(POLL_MS);
  }
  return '';
}

/** `pid 7 (node app.js) of alice, started by the releases in /srv/app/.sluice/run/app`. */
async function describe(host: Host, pid: number): Promise<string> {
  const owner = await host.ownerOf(pid);
  const whose = owner === '' ? '' : ` of ${owner}`;
  const record = await host.variableOf(pid, MARK);
  const where = record.startsWith('/') ? `the releases in ${dirname(record)}` : record;
  const from = record === '' ? '' : `, started by ${where}`;
  return `pid ${pid} (${await host.commandOf(pid)})${whose}${from}`;
}
