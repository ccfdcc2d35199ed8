// A host behind a shell of this machine: dash as /bin/sh, and busybox where it is there. What a host behind
// ssh does, without ssh.

import {
  type Host,
  type Shell,
  type ShellEnd,
  ShellHost,
  ShellSession,
} from '../../../src/release/hosts.ts';

export function shellHost(...argv: readonly [string, ...string[]]): Host {
  return new ShellHost(new LocalShell(argv));
}

const READY_MS = 20_000;
const ASK_MS = 60_000;
const BYTES_MAX = 16 * 1024 * 1024;

/** A shell for each script. */
class LocalShell implements Shell {
  readonly name = 'host "shell"';
  readonly #argv: readonly string[];

  constructor(argv: readonly string[]) {
    this.#argv = argv;
  }

  ask(script: string): Promise<ShellEnd> {
    return this.#run({ script, timeoutMs: ASK_MS, bytesMax: BYTES_MAX });
  }

  once(script: string, options: Parameters<Shell['once']>[1]): Promise<ShellEnd> {
    return this.#run({ script, bytesMax: 64 * 1024, ...options });
  }

  async close(): Promise<void> {}

  async #run(request: Parameters<ShellSession['run']>[0]): Promise<ShellEnd> {
    const session = new ShellSession(this.#argv);
    try {
      await session.ready(READY_MS);
      return await session.run(request);
    } finally {
      session.finish();
    }
  }
}
