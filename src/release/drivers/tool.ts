// A program of the host that keeps instances for us: systemctl, docker, pm2. How it is called is the
// configuration's (`command: [sudo, -n, docker]`); what it is given of secrets goes by its environment
// and never by its words.

import { systemCode } from '../../base/errors.ts';
import type { CommandEnd, Host, HostClaim } from '../hosts.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const TIMEOUT_MS = 30_000;
/** Looks that follow each other within this share an answer: a check asks every 25 ms. */
const SHARED_MS = 200;
/** Of another host we do not know the home of its user, where such programs keep their settings. */
const AT_HOME = `[ -n "$HOME" ] || HOME=$(getent passwd "$(id -u)" | cut -d: -f6); export HOME
[ -n "$XDG_RUNTIME_DIR" ] || XDG_RUNTIME_DIR=/run/user/$(id -u); export XDG_RUNTIME_DIR`;

export type ToolOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly cwd?: string;
  /** Of what changes something. */
  readonly claim?: HostClaim | undefined;
};

export class Tool {
  readonly #host: Host;
  readonly #words: readonly string[];
  readonly #env: Readonly<Record<string, string>>;

  constructor(host: Host, words: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#host = host;
    this.#words = words;
    this.#env = env;
  }

  get name(): string {
    return this.#words.at(-1) ?? '';
  }

  /** A program that is not there ends with code 127 and says so. */
  run(args: readonly string[], options: ToolOptions = {}): Promise<CommandEnd> {
    return this.#sh('exec "$@"', args, options);
  }

  /** A line of shell in which `"$@"` is the program. */
  script(line: string, options: ToolOptions = {}): Promise<CommandEnd> {
    return this.#sh(line, [], options);
  }

  async #sh(line: string, args: readonly string[], options: ToolOptions): Promise<CommandEnd> {
    const { env = {}, timeoutMs = TIMEOUT_MS, cwd = '/', claim } = options;
    const words = ['-c', `${AT_HOME}\n${line}`, 'sh', ...this.#words, ...args];
    const all = { ...this.#own(), ...env };
    const command = { file: '/bin/sh', args: words, cwd, env: all, claim };
    try {
      const end = await this.#host.run(command, timeoutMs);
      if (end.code !== 127) return end;
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
    }
    return { code: 127, stdout: '', stderr: `the program "${this.#words[0]}" is not there` };
  }

  /** Of the runner only what such programs find their settings by. */
  #own(): Record<string, string> {
    const own: Record<string, string> = { PATH };
    if (this.#host.isLocal) {
      for (const [name, value] of Object.entries(process.env)) {
        const isTheirs = /^(PATH|HOME|USER|LOGNAME|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS)$/;
        if (value !== undefined && (isTheirs.test(name) || /^(DOCKER|CONTAINER)_/.test(name))) {
          own[name] = value;
        }
      }
    }
    return { ...own, ...this.#env };
  }
}

/** What went wrong, in one line. */
export function complaint({ code, stdout, stderr }: CommandEnd): string {
  const lines = `${stderr}\n${stdout}`.split('\n').map((line) => line.trim());
  const [first = ''] = lines.filter((line) => line !== '');
  const how = code === null ? 'did not end in time' : `ended with code ${code}`;
  return first === '' ? how : first.slice(0, 300);
}

/** The last answer of a look, for those who ask again at once. */
export class Shared<Answer> {
  readonly #look: () => Promise<Answer>;
  #last: { readonly atMs: number; readonly answer: Promise<Answer> } | undefined;

  constructor(look: () => Promise<Answer>) {
    this.#look = look;
  }

  ask(): Promise<Answer> {
    const nowMs = performance.now();
    if (this.#last !== undefined && nowMs - this.#last.atMs < SHARED_MS) return this.#last.answer;
    return this.again();
  }

  again(): Promise<Answer> {
    const answer = this.#look();
    this.#last = { atMs: performance.now(), answer };
    return answer;
  }
}
