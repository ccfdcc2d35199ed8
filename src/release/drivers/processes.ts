// Which processes belong to an instance: the one that was started, and all that came of it.

import type { Host, HostProcess, ProcessName } from '../hosts.ts';

/** Set in the environment of every instance; its value is the path of the instance's record. */
export const MARK = 'SLUICE_INSTANCE';

/** What every process of an instance finds in its environment. */
export function ownVariables(
  mark: string,
  version: string,
  release: string,
): Readonly<Record<string, string>> {
  return { [MARK]: mark, SLUICE_VERSION: version, SLUICE_RELEASE: release };
}

/**
 * The living processes of an instance, its leader first, then by pid. Theirs are: those whose
 * environment carries MARK with this value; `roots`, known from before; the session that the leader began,
 * which holds when something in between (sudo, env -i) has emptied the environment; and whatever
 * one of them has started. Not ours: what carries the mark of another instance, and this process.
 *
 * The session counts only with a proven member in it: a session's number goes to nobody else while
 * it has members, but once it is empty, its number may be that of a stranger's.
 */
export async function instanceProcesses(
  host: Host,
  mark: string,
  leader?: ProcessName,
  roots: readonly ProcessName[] = [],
): Promise<readonly ProcessName[]> {
  const known = leader === undefined ? roots : [leader, ...roots];
  const all = await host.processes(MARK);
  if (all === null) return livingOf(host, known);
  const found = new Map<number, HostProcess>();
  for (const candidate of all) {
    const isKnown = known.some(({ pid, identity }) => {
      return pid === candidate.pid && identity === candidate.identity;
    });
    if (isKnown || candidate.value === mark) found.set(candidate.pid, candidate);
  }
  const hasSession = [...found.values()].some(({ session }) => session === leader?.pid);
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const candidate of all) {
      const { pid, value, parent, session } = candidate;
      const isTheirs = found.has(parent) || (hasSession && session === leader?.pid);
      if (isTheirs && (value === '' || value === mark)) found.set(pid, candidate);
    }
  }
  const rank = ({ pid, session }: HostProcess): number => (pid === session ? 0 : 1);
  return [...found.values()]
    .sort((a, b) => rank(a) - rank(b) || a.pid - b.pid)
    .map(({ pid, identity }) => ({ pid, identity }));
}

export async function livingOf(
  host: Host,
  processes: readonly ProcessName[],
): Promise<readonly ProcessName[]> {
  const alive = await Promise.all(processes.map((one) => host.isAlive(one)));
  return processes.filter((_, at) => alive[at]);
}
