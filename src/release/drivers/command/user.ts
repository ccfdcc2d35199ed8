// Running an instance as another user (`user: app`). By root with setpriv, which becomes the program
// itself; by others with `sudo -n`, which stays in front of it and belongs to root: it cannot be told
// to end by us, but what it runs can, and it ends with that.

import { isSluiceError } from '../../../base/errors.ts';
import type { Command, Host, HostClaim, ProcessName, SignalName } from '../../hosts.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const TIMEOUT_MS = 20_000;

/** What the host says of us and of the user. */
export type UserFacts = {
  /** Our own number and name there. */
  readonly ownId: number;
  readonly ownName: string;
  /** NaN when there is no such user. */
  readonly id: number;
  readonly group: number;
  readonly home: string;
  readonly shell: string;
  /** Paths of the programs; '' when the host does not have them. */
  readonly setpriv: string;
  readonly sudo: string;
  /** sudo lets us run commands as the user without a password. */
  readonly maySudo: boolean;
};

export type UserSwitch = {
  /** Why it cannot be done, and what to do; '' when it can. */
  readonly problem: string;
  /** What the environment says of the user; `env` stands above it. */
  readonly variables: Readonly<Record<string, string>>;
  readonly wrap: (command: Command) => Command;
};

const NO_SWITCH: UserSwitch = { problem: '', variables: {}, wrap: (command) => command };

const FACTS = `[ -n "$1" ] || set -- "$(id -un)"
id -u; id -un; id -u -- "$1" 2>/dev/null || echo; id -g -- "$1" 2>/dev/null || echo
{ getent passwd -- "$1" || grep "^$1:" /etc/passwd || echo; } 2>/dev/null | head -n 1
command -v setpriv || echo; command -v sudo || echo
[ "$(id -u)" != 0 ] && command -v sudo >/dev/null && sudo -n -u "$1" -- true 2>/dev/null && echo may; :`;

/** How instances are run as this user; '' = as who we are there. */
export async function userSwitch(host: Host, user: string): Promise<UserSwitch> {
  if (user === '' && host.isLocal) return NO_SWITCH;
  const args = ['-c', FACTS, 'sh', user];
  const { stdout } = await host.run({ file: '/bin/sh', args, cwd: '/', env: { PATH } }, TIMEOUT_MS);
  const facts = readFacts(stdout);
  const way = switchTo(user || facts.ownName, facts);
  // The runner's HOME is none of another machine's.
  return facts.ownId === facts.id && !host.isLocal
    ? { ...way, variables: variablesOf(facts.ownName, facts) }
    : way;
}

export function switchTo(user: string, facts: UserFacts): UserSwitch {
  const { ownId, ownName, id, group, setpriv, sudo, maySudo } = facts;
  if (Number.isNaN(id)) {
    return { ...NO_SWITCH, problem: `user "${user}" does not exist; make it, or change user` };
  }
  if (ownId === id) return NO_SWITCH;
  const variables = variablesOf(user, facts);
  if (ownId === 0) {
    if (setpriv === '') {
      return {
        ...NO_SWITCH,
        problem: 'setpriv is not there to change the user; install util-linux',
      };
    }
    const words = [`--reuid=${id}`, `--regid=${group}`, '--init-groups', '--'];
    return { problem: '', variables, wrap: (command) => inFront(setpriv, words, command) };
  }
  if (sudo === '') {
    const problem = `only root can run instances as "${user}", and sudo is not there; install it, or deploy as ${user}`;
    return { ...NO_SWITCH, problem };
  }
  if (!maySudo) {
    const problem = `sudo does not let ${ownName} run instances as "${user}" without a password; add with visudo -f /etc/sudoers.d/sluice: ${sudoersLine(ownName, user)}`;
    return { ...NO_SWITCH, problem };
  }
  const wrap = (command: Command): Command => {
    // By its environment and not by its words, which are in the list of processes. PATH is sudo's own
    // unless it is set behind it.
    const names = Object.keys(command.env).filter((name) => name !== 'PATH');
    const words = ['-n', '-u', user, `--preserve-env=${names.join(',')}`, '--'];
    const path = command.env['PATH'];
    const behind = path === undefined ? [] : ['/usr/bin/env', `PATH=${path}`];
    return inFront(sudo, [...words, ...behind], command);
  };
  return { problem: '', variables, wrap };
}

function variablesOf(user: string, { home, shell }: UserFacts): Readonly<Record<string, string>> {
  return { HOME: home, SHELL: shell, USER: user, LOGNAME: user };
}

export function sudoersLine(own: string, user: string): string {
  return `${own} ALL=(${user}) NOPASSWD:SETENV: ALL`;
}

/** Signals a process of the user that we may not signal ourselves. */
export async function signalAs(
  host: Host,
  user: string,
  target: ProcessName,
  name: SignalName,
  claim?: HostClaim,
): Promise<boolean> {
  if (!(await host.isAlive(target))) return false;
  const args = ['-n', '-u', user, '--', 'kill', '-s', name, String(target.pid)];
  try {
    const command = { file: 'sudo', args, cwd: '/', env: { PATH }, claim };
    return (await host.run(command, TIMEOUT_MS)).code === 0;
  } catch (error) {
    if (isSluiceError(error) && error.code === 'locked') throw error;
    return false; // No sudo: root has no need of it.
  }
}

/** The program is named by what it is called by: a python knows by it which venv it is of. */
function inFront(file: string, words: readonly string[], command: Command): Command {
  const { file: program, name = program, args, cwd, env } = command;
  return { file, args: [...words, name.startsWith('/') ? name : program, ...args], cwd, env };
}

function readFacts(text: string): UserFacts {
  const [ownId = '', ownName = '', id = '', group = '', entry = '', setpriv = '', sudo = '', may] =
    text.split('\n');
  const [, , , , , home = '/', shell = '/bin/sh'] = entry.split(':');
  return {
    ownId: Number(ownId),
    ownName,
    id: id === '' ? Number.NaN : Number(id),
    group: Number(group),
    home,
    shell,
    setpriv,
    sudo,
    maySudo: may === 'may',
  };
}
