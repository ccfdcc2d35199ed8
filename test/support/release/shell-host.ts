// A host that does everything by POSIX shell scripts on the stdin of a command: here `sh -s`, as a
// host behind ssh would do by `ssh app-1 sh -s`. It shows that the face needs nothing of this process.

import { spawn } from 'node:child_process';
import type { Address } from '../../../src/base/units.ts';
import {
  type Command,
  type CommandEnd,
  type FileFacts,
  type FolderEntry,
  type Host,
  type HostProcess,
  type ListeningSockets,
  localHost,
  type ProcessName,
  type Spawned,
} from '../../../src/release/hosts.ts';

/** Who a pid is: the boot and the 22nd column of its stat; nothing of a zombie. */
const IDENTITY = `identity() {
  s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  set -- "$1" \${s##*)}
  case $2 in Z|X) return 1;; esac
  shift 20; echo "$(cat /proc/sys/kernel/random/boot_id)/$1"
}
`;
/** Refuses as the system does: 127 = no such thing. Arguments: folder, program, PATH. */
const EXISTS = `[ -d "$1" ] || exit 127
case $2 in */*) [ -x "$2" ] || exit 127;; *) PATH=$3 command -v "$2" >/dev/null || exit 127;; esac
cd "$1"; shift 3
`;

/** A script and what it reads in one stream: the script's length in a line, the script, the rest. */
const SCRIPT_FIRST = 'IFS= read -r n; eval "$(head -c "$n")"';

export class ShellHost implements Host {
  readonly isLocal = false;
  readonly #argv: readonly [string, ...string[]];

  constructor(...argv: [string, ...string[]]) {
    this.#argv = argv;
  }

  async run(command: Command, timeoutMs: number): Promise<CommandEnd> {
    const script = `${EXISTS}t=$1; shift; exec timeout -s KILL "$t" env -i "$@"`;
    const args = [...this.#args(command), String(timeoutMs / 1000), ...words(command)];
    const { code, stdout, stderr } = await this.#sh(script, args, command.stdin);
    if (code === 127) throw noSuchFile(command.file);
    return { code: code === 137 ? null : code, stdout: stdout.toString(), stderr };
  }

  async spawn(command: Command, log: string): Promise<Spawned> {
    const script = `${IDENTITY}${EXISTS}log=$1; shift; umask 077
setsid env -i "$@" </dev/null >>"$log" 2>&1 &
echo "$!"; identity "$!"`;
    const args = [...this.#args(command), log, ...words(command)];
    const { code, stdout } = await this.#sh(script, args);
    if (code === 127) throw noSuchFile(command.file);
    const [pid = '', identity = ''] = stdout.toString().split('\n');
    const process = { pid: Number(pid), identity };
    return { process, ended: async () => ((await this.isAlive(process)) ? '' : 'ended') };
  }

  async look(path: string): Promise<FileFacts | null> {
    const script = `readlink -e -- "$1" || exit 1; [ -x "$1" ] && echo x || echo -; stat -L -c '%s %F' -- "$1"`;
    const { code, stdout } = await this.#sh(script, [path]);
    if (code !== 0) return null;
    const [realPath = '', x, line = ''] = stdout.toString().split('\n');
    const [, size, type = ''] = /^(\d+) (.*)$/.exec(line) ?? [];
    const kind = /^regular/.test(type) ? 'file' : type === 'directory' ? 'folder' : 'other';
    return { kind, isExecutable: x === 'x', realPath, size: Number(size) };
  }

  async stamps(paths: readonly string[]): Promise<readonly string[]> {
    const script = `for p; do if [ -d "$p" ]; then stat -L -c %d:%i -- "$p"; else stat -L -c %d:%i:%s:%y -- "$p" 2>/dev/null || echo; fi; done`;
    return (await this.#sh(script, paths)).stdout.toString().split('\n').slice(0, paths.length);
  }

  async list(folder: string): Promise<readonly FolderEntry[]> {
    const script = `find "$1" -mindepth 1 -maxdepth 1 -printf '%y %f\\n'`;
    const kinds: Record<string, FolderEntry['kind']> = { f: 'file', d: 'folder', l: 'link' };
    const lines = (await this.#sh(script, [folder])).stdout.toString().split('\n').filter(Boolean);
    return lines.map((line) => ({ name: line.slice(2), kind: kinds[line[0] ?? ''] ?? 'other' }));
  }

  async read(path: string, from: number, most: number): Promise<Buffer | null> {
    const script = `[ -r "$1" ] || exit 1; tail -c "+$(($2 + 1))" -- "$1" | head -c "$3"`;
    const { code, stdout } = await this.#sh(script, [path, String(from), String(most)]);
    return code === 0 ? stdout : null;
  }

  async put(path: string, content: string): Promise<void> {
    const script = `umask 077; printf %s "$2" | base64 -d >"$1.tmp" && mv -- "$1.tmp" "$1"`;
    await this.#sh(script, [path, Buffer.from(content).toString('base64')]);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#sh(`mv -- "$1" "$2"`, [from, to]);
  }

  async isAlive({ pid, identity }: ProcessName): Promise<boolean> {
    const script = `${IDENTITY}[ "$(identity "$1")" = "$2" ]`;
    return (await this.#sh(script, [String(pid), identity])).code === 0;
  }

  async signal({ pid, identity }: ProcessName, name: 'TERM' | 'KILL'): Promise<boolean> {
    const script = `${IDENTITY}[ "$(identity "$1")" = "$2" ] && kill -s "$3" "$1"`;
    return (await this.#sh(script, [String(pid), identity, name])).code === 0;
  }

  async processes(variable: string): Promise<readonly HostProcess[]> {
    const script = `cat /proc/sys/kernel/random/boot_id; cat /proc/[0-9]*/stat 2>/dev/null; echo
grep -azHs "^$1=" /proc/[0-9]*/environ | tr '\\0' '\\n'; true`;
    const text = (await this.#sh(script, [variable])).stdout.toString();
    const at = text.indexOf('\n\n');
    const [boot = '', ...lines] = text.slice(0, at).split('\n');
    const found = text.slice(at).matchAll(/^\/proc\/(\d+)\/environ:[^=]*=(.*)$/gm);
    const values = new Map([...found].map(([, pid, value = '']) => [Number(pid), value]));
    return lines.flatMap((line) => {
      const columns = line.slice(line.lastIndexOf(')') + 2).split(' ');
      const [state = '', parent, , session] = columns;
      const pid = Number.parseInt(line, 10);
      if (state === 'Z' || state === 'X' || pid === process.pid) return [];
      const name = { pid, identity: `${boot}/${columns[19]}` };
      const value = values.get(pid) ?? '';
      return [{ ...name, parent: Number(parent), session: Number(session), value }];
    });
  }

  async variableOf(pid: number, name: string): Promise<string> {
    const script = `tr '\\0' '\\n' <"/proc/$1/environ" | sed -n "s/^$2=//p" | head -n 1`;
    return (await this.#sh(script, [String(pid), name])).stdout.toString().trimEnd();
  }

  async commandOf(pid: number): Promise<string> {
    const script = `tr '\\0' ' ' <"/proc/$1/cmdline"`;
    const text = (await this.#sh(script, [String(pid)])).stdout.toString().trim();
    return text.length > 120 ? `${text.slice(0, 119)}…` : text;
  }

  async ownerOf(pid: number): Promise<string> {
    const script = `[ "$(stat -c %u "/proc/$1")" = "$(id -u)" ] || stat -c 'user %U' "/proc/$1"`;
    return (await this.#sh(script, [String(pid)])).stdout.toString().trim();
  }

  async userName(uid: number): Promise<string> {
    return `user ${(await this.#sh(`id -nu "$1"`, [String(uid)])).stdout.toString().trim() || uid}`;
  }

  async sockets({ port }: Address): Promise<ListeningSockets> {
    const script = `cat /proc/net/tcp /proc/net/tcp6 2>/dev/null`;
    const lines = (await this.#sh(script, [])).stdout.toString().split('\n');
    return new Map(
      lines.flatMap((line) => {
        const columns = line.trim().split(/\s+/);
        const [, own = ''] = columns[1]?.split(':') ?? [];
        if (columns[3] !== '0A' || Number.parseInt(own, 16) !== port) return [];
        return [[`socket:[${columns[9]}]`, Number(columns[7])] as const];
      }),
    );
  }

  async holderOf(
    sockets: ListeningSockets,
    among?: readonly number[],
  ): Promise<number | undefined> {
    if (sockets.size === 0) return undefined;
    const script = `want=$1; shift; [ $# -gt 0 ] || set -- $(cd /proc && ls -d [0-9]* | sort -n)
for p; do [ "$p" = none ] && exit; ls -l "/proc/$p/fd" 2>/dev/null | grep -Eq "$want" && { echo "$p"; exit; }; done`;
    const want = [...sockets.keys()].map((name) => name.replace(/[[\]]/g, '\\$&')).join('|');
    const pids = among === undefined ? [] : among.length === 0 ? ['none'] : among.map(String);
    const found = (await this.#sh(script, [want, ...pids])).stdout.toString().trim();
    return found === '' ? undefined : Number(found);
  }

  /** Asked from here: the gateway must reach it from elsewhere, too. */
  isListening(address: Address): Promise<boolean> {
    return localHost.isListening(address);
  }

  #args({ cwd, file, env }: Command): readonly string[] {
    return [cwd, file, env['PATH'] ?? ''];
  }

  /** The arguments stand in the script, so that nothing of them is in the list of processes. */
  #sh(
    script: string,
    args: readonly string[],
    stdin?: Command['stdin'],
  ): Promise<{ code: number | null; stdout: Buffer; stderr: string }> {
    const [file, ...rest] = this.#argv;
    const argv = stdin === undefined ? rest : ['-c', SCRIPT_FIRST];
    const child = spawn(file, argv, { stdio: ['pipe', 'pipe', 'pipe'] });
    const stdout: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const text = `set -- ${args.map(quoted).join(' ')}\n${script}\n`;
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.stdin.on('error', () => {}); // It does not read all.
      if (stdin === undefined) child.stdin.end(text);
      else {
        child.stdin.write(`${Buffer.byteLength(text)}\n${text}`);
        if (typeof stdin === 'string') child.stdin.end(stdin);
        else {
          stdin.on('error', (error) => {
            child.stdin.destroy();
            reject(error);
          });
          child.on('close', () => stdin.destroy());
          stdin.pipe(child.stdin);
        }
      }
      child.on('close', (code) => resolve({ code, stdout: Buffer.concat(stdout), stderr }));
    });
  }
}

function words({ file, args, env }: Command): readonly string[] {
  return [...Object.entries(env).map(([name, value]) => `${name}=${value}`), file, ...args];
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function noSuchFile(file: string): Error {
  return Object.assign(new Error(`${file}: ENOENT`), { code: 'ENOENT' });
}
