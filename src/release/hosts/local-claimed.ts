// What a release changes on this machine, under its claim: by a shell, which is alone in the folder of the
// service, has compared the fence and then becomes the program itself. Nothing of ours stands between the
// question and the change, so it does not matter where we stand still.
//
// What a shell cannot hold is lost on the way: variables whose names are none of a shell's.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type HostClaim, notTakenOver, underClaim } from './claim.ts';
import type { Command, CommandEnd, ProcessName, SignalName } from './host.ts';
import { existsWords, notRefused, programOf } from './shell/program.ts';
import { q, withArguments } from './shell/quote.ts';
import { EXISTS, PUT, SIGNAL } from './shell/scripts.ts';

const NAME = 'this machine';
const HAS_PROC = process.platform === 'linux';
/** What a shell puts into the environment of its own accord. */
const OF_SHELLS = ['PWD', 'OLDPWD', 'SHLVL'];
/** Read from the new process until it has become the program. */
const VERDICT_BYTES_MAX = 4096;

/** The command as another one that asks before it begins, and waits for it to end. */
export function claimedCommand(command: Command & { readonly claim: HostClaim }): Command {
  const { cwd, env, stdin, claim } = command;
  const { choose, words } = programOf(command);
  // What stands before & reads nothing, unless its input is kept; it is ended by us, when its time is over.
  const script = `${asOurselves(claim)}${EXISTS}exec 3<&0
( ${asTheApp(command)}
${choose}
exec ${words} 3<&- 8>&- ) <&3 &
c=$!
exec 3<&-
trap 'kill -s KILL "$c" 2>/dev/null' TERM
wait "$c"`;
  const args = ['-c', script, 'sh', ...existsWords(command)];
  return { file: '/bin/sh', args, cwd, env, ...(stdin === undefined ? {} : { stdin }) };
}

/** @throws locked; as the system does, where the program is refused */
export function endOfClaimed(
  command: Command & { readonly claim: HostClaim },
  end: CommandEnd,
): CommandEnd {
  const { code, stdout, stderr } = notRefused(
    command,
    notTakenOver(NAME, command.claim.fence, end),
  );
  // Of a signal the shell says 128 and its number.
  const isSignal = code !== null && code > 128 && code < 160;
  return { code: isSignal ? null : code, stdout, stderr };
}

/** A process that asks before it becomes the program. @throws as `Host.spawn` */
export async function spawnClaimed(
  command: Command & { readonly claim: HostClaim },
  log: number,
): Promise<ChildProcess> {
  const { cwd, env, claim } = command;
  const { choose, words } = programOf(command);
  // Descriptor 3 is ours, until it is closed: then the program runs. The app's own is 2, which is the log.
  const script = `exec 9>&2 2>&3
${asOurselves(claim)}${EXISTS}
${asTheApp(command)}
${choose}
exec 2>&9 9>&- 3>&-
apart
exec ${words}`;
  const child = spawn('/bin/sh', ['-c', script, 'sh', ...existsWords(command)], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
  });
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  await once(child, 'spawn');
  const stderr = await verdictOf(child);
  if (stderr === '') return child;
  const end = { code: await exit, stdout: '', stderr };
  notRefused(command, notTakenOver(NAME, claim.fence, end));
  throw new Error(stderr.trim());
}

/** The script of a change that is asked for by a signal. */
export function signalScript(
  { pid, identity }: ProcessName,
  name: SignalName,
  claim: HostClaim,
): string {
  // Elsewhere than on Linux the identity is no matter of a shell; it was looked at a moment ago.
  const act = HAS_PROC ? SIGNAL : 'kill -s "$3" "$1" 2>/dev/null';
  return withArguments(`${underClaim(claim)}${act}`, [String(pid), identity, name]);
}

export function putScript(path: string, content: string, claim: HostClaim): string {
  return withArguments(`${underClaim(claim)}${PUT}`, [path, content]);
}

/** The programs that the claim needs are looked for where ours are. */
function asOurselves(claim: HostClaim): string {
  return `sluice_path=\${PATH-}
PATH=${q(process.env['PATH'] ?? '')}
${underClaim(claim)}`;
}

/** The environment as it was given. */
function asTheApp({ env }: Command): string {
  const extra = OF_SHELLS.filter((name) => env[name] === undefined);
  const path = env['PATH'] === undefined ? 'unset PATH' : 'PATH=$sluice_path';
  return `${path}${extra.length === 0 ? '' : `; unset ${extra.join(' ')}`}`;
}

/** What it has to say against the start; '' when the program runs. */
async function verdictOf(child: ChildProcess): Promise<string> {
  let text = '';
  const pipe = child.stdio[3];
  if (pipe === null || pipe === undefined || !('setEncoding' in pipe)) return text;
  pipe.setEncoding('utf8').on('data', (part: string) => {
    text = `${text}${part}`.slice(0, VERDICT_BYTES_MAX);
  });
  await once(pipe, 'close');
  return text;
}
