// A shell at the end of a pipe: `sh -s` here or behind ssh. It takes scripts on its stdin, one after
// the other, runs each in a subshell, and says by a trailer on both outputs that it is over and with which
// code: without a trailer the way there was cut, and nobody knows what became of the script. At the
// end of our pipe (also when we are killed) the shell ends.
//
//   us    > 3f9c…            the mark of this request
//           echo hello       its script
//           3f9c…
//   shell > hello
//           \x1e3f9c… 0\x1e  on stdout and on stderr

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Output } from './output.ts';

export type ShellEnd = { readonly code: number; readonly stdout: Buffer; readonly stderr: string };

export type Request = {
  readonly script: string;
  readonly timeoutMs: number;
  /** What the script finds on its stdin; the session is over then. Default: the session goes on. */
  readonly stdin?: Readable | string | undefined;
  /** Of each output; what is beyond is dropped. */
  readonly bytesMax: number;
};

/** The way was cut, or there was no answer in time: whether the script ran is not known. */
export class SessionCut extends Error {
  /** What ssh said. */
  readonly said: string;
  /** It did not end by itself. */
  readonly isLate: boolean;

  constructor(message: string, said: string, isLate: boolean) {
    super(message);
    this.name = 'SessionCut';
    this.said = said;
    this.isLate = isLate;
  }
}

const READY = 'sluice';
/** Read whole before it runs, so that nothing of the requests is taken for a part of it. */
const LOOP = `{
LC_ALL=C; export LC_ALL
printf '\\036sluice 0\\036'
while IFS= read -r e; do
s=; l=
while IFS= read -r l && [ "$l" != "$e" ]; do s="$s$l
"; done
[ "$l" = "$e" ] || exit 1
( eval "$s" )
c=$?
printf '\\036%s %s\\036' "$e" "$c"
printf '\\036%s %s\\036' "$e" "$c" >&2
case $e in last*) exit 0;; esac
done
exit 0
}
`;
const SAID_MAX = 4096;

export class ShellSession {
  readonly #child: ChildProcessWithoutNullStreams;
  /** Resolves when it has ended. */
  readonly over: Promise<void>;
  #said = '';
  #isOver = false;
  #stdout = new Output(READY, SAID_MAX);
  #stderr = new Output(READY, SAID_MAX);
  /** Called after each piece of output. */
  #look: () => void = () => {};

  constructor([file = '', ...args]: readonly string[]) {
    // In a group of its own: Ctrl-C is for us, and a release stops at a safe point.
    this.#child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    const { stdin, stdout, stderr } = this.#child;
    stdin.on('error', () => {}); // It has ended; that is seen by the end of its outputs.
    stdout.on('data', (chunk: Buffer) => {
      this.#stdout.push(chunk);
      this.#look();
    });
    stderr.on('data', (chunk: Buffer) => {
      this.#said = `${this.#said}${chunk.toString()}`.slice(-SAID_MAX);
      this.#stderr.push(chunk);
      this.#look();
    });
    this.over = new Promise((resolve) => {
      const end = (error?: unknown): void => {
        if (error instanceof Error) this.#said += error.message;
        this.#isOver = true;
        resolve();
        this.#look();
      };
      this.#child.on('error', end);
      this.#child.on('close', () => end());
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** What was said on stderr so far, the last of it. */
  get said(): string {
    return this.#said;
  }

  /** Resolves when it takes requests. @throws SessionCut */
  async ready(timeoutMs: number): Promise<void> {
    this.#child.stdin.write(LOOP);
    await this.#await(timeoutMs, () => this.#stdout.word !== undefined);
  }

  /** One at a time. @throws SessionCut; what the stream of stdin failed with */
  async run({ script, timeoutMs, stdin, bytesMax }: Request): Promise<ShellEnd> {
    // What the script leaves of its stdin must not be taken for the next request.
    const mark = `${stdin === undefined ? '' : 'last'}${randomBytes(12).toString('hex')}`;
    this.#stdout = new Output(mark, bytesMax);
    this.#stderr = new Output(mark, bytesMax);
    this.#said = '';
    this.#child.stdin.write(`${mark}\n${script}\n${mark}\n`);
    let failure: Error | undefined;
    if (stdin !== undefined)
      this.#feed(stdin, (error) => {
        failure = error;
      });
    try {
      await this.#await(timeoutMs, () => {
        if (failure !== undefined) throw failure;
        return this.#stdout.word !== undefined && this.#stderr.word !== undefined;
      });
    } finally {
      if (typeof stdin === 'object') stdin.destroy();
    }
    const code = Number(this.#stdout.word);
    return { code, stdout: this.#stdout.bytes, stderr: this.#stderr.bytes.toString() };
  }

  /** Ends it, and what runs in it: at once. */
  close(): Promise<void> {
    this.#child.stdin.destroy();
    this.#child.kill('SIGTERM');
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream.destroy();
    return this.over;
  }

  /** It ends by itself when nothing is under way: the shell reads the end of its input. */
  finish(): void {
    this.#child.stdin.end();
  }

  #feed(stdin: Readable | string, onFailure: (error: Error) => void): void {
    if (typeof stdin === 'string') {
      this.#child.stdin.end(stdin);
      return;
    }
    stdin.on('error', (error) => {
      onFailure(error);
      this.#child.stdin.destroy();
      this.#look();
    });
    stdin.pipe(this.#child.stdin);
  }

  async #await(timeoutMs: number, isDone: () => boolean): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(() => {
          reject(new SessionCut(`no answer within ${timeoutMs / 1000}s`, this.#said, true));
        }, timeoutMs);
        this.#look = () => {
          try {
            if (isDone()) resolve();
            else if (this.#isOver)
              reject(new SessionCut('the connection ended', this.#said, false));
          } catch (error) {
            reject(error);
          }
        };
        this.#look();
      });
    } catch (error) {
      void this.close();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#look = () => {};
    }
  }
}
