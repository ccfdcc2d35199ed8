// A release that this gateway has started for somebody: its process, which does not end with us, what it says,
// and whether it has begun. What it says comes through a pipe, so that both the file and the memory have their
// limits; when we end, it goes on without a reader, and the journal has what it does.

import type { ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { RunDocument, StartRequest } from '../../admin.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';

const LINES_MAX = 200;
const LINE_LENGTH_MAX = 1000;
const FILE_BYTES_MAX = 4 * 1024 * 1024;

export type StartedRunOptions = {
  readonly service: string;
  readonly request: StartRequest;
  readonly by: string;
  readonly cli: string;
  readonly file: string;
  readonly log: Log;
};

export class StartedRun {
  readonly #options: StartedRunOptions;
  readonly #child: ChildProcess;
  readonly #startedAtMs = Date.now();
  readonly #lines: string[] = [];
  readonly #errors: string[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #file: WriteStream;
  #fileBytes = 0;
  #release = '';
  #exit = -1;
  #endedAtMs = 0;

  constructor(child: ChildProcess, options: StartedRunOptions) {
    this.#child = child;
    this.#options = options;
    const { file, log, service } = options;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    this.#file = createWriteStream(file, { mode: 0o600 });
    this.#file.on('error', (error) => {
      log.warn({ file, error: messageOf(error) }, 'output of a release is not written');
    });
    this.#read('stdout');
    this.#read('stderr');
    child.once('error', (error) => this.#end(-1, `sluice cannot be run here: ${messageOf(error)}`));
    child.once('close', (code) => this.#end(code ?? -1, ''));
    // Whoever ends need not wait for it.
    child.unref();
    log.info({ service, pid: child.pid, by: options.by, cli: options.cli }, 'release started');
  }

  get isOver(): boolean {
    return this.#endedAtMs > 0;
  }

  /** What it has said on standard error. */
  get errors(): string {
    return this.#errors.join('\n');
  }

  document(): RunDocument {
    const { service, request, by, cli, file } = this.#options;
    const { kind, version, why } = request;
    const state = this.isOver ? 'ended' : this.#release === '' ? 'preparing' : 'running';
    return {
      ...{ service, state, kind, version, by, why, release: this.#release },
      ...{ pid: this.#child.pid ?? 0, startedAtMs: this.#startedAtMs },
      ...{ endedAtMs: this.#endedAtMs, exit: this.#exit, lines: [...this.#lines], file, cli },
    };
  }

  /** Resolves when it has begun a release, has ended, or the time is over. */
  begun(timeoutMs: number): Promise<void> {
    if (this.isOver || this.#release !== '') return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting.add(done);
    });
  }

  /** We end; it goes on. */
  detach(): void {
    this.#tell();
    this.#child.removeAllListeners('close');
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
    this.#file.end();
  }

  #read(name: 'stdout' | 'stderr'): void {
    const stream = this.#child[name];
    const decoder = new StringDecoder('utf8');
    let rest = '';
    // How it ended is told by `close`.
    stream?.on('error', () => {});
    stream?.on('data', (chunk: Buffer) => {
      this.#keep(chunk);
      const lines = `${rest}${decoder.write(chunk)}`.split('\n');
      // The rest of a line that is too long is not kept.
      rest = (lines.pop() ?? '').slice(0, LINE_LENGTH_MAX);
      for (const line of lines) this.#say(line, name);
    });
    stream?.on('end', () => {
      if (rest !== '') this.#say(rest, name);
    });
  }

  #keep(chunk: Buffer): void {
    if (this.#fileBytes >= FILE_BYTES_MAX || this.#file.destroyed) return;
    this.#fileBytes += chunk.length;
    this.#file.write(chunk);
    if (this.#fileBytes < FILE_BYTES_MAX) return;
    this.#file.write('\n… what comes after this is in the journal of the release alone\n');
  }

  #say(line: string, from: 'stdout' | 'stderr'): void {
    const text = line.slice(0, LINE_LENGTH_MAX);
    push(this.#lines, text);
    if (from === 'stderr') push(this.#errors, text);
    if (this.#release !== '') return;
    this.#release = releaseIn(text, this.#options.service);
    if (this.#release !== '') this.#tell();
  }

  #end(exit: number, why: string): void {
    if (this.isOver) return;
    if (why !== '') this.#say(why, 'stderr');
    this.#exit = exit;
    this.#endedAtMs = Date.now();
    this.#file.end();
    const { service, log } = this.#options;
    log.info({ service, pid: this.#child.pid, release: this.#release, exit }, 'release ended');
    this.#tell();
  }

  #tell(): void {
    for (const done of [...this.#waiting]) done();
  }
}

/**
 * The release that a line of `--output plain` is about; ''. What others print is indented there.
 *
 *   12:04:09Z app r42 127.0.0.1:9001 drain    start     r42
 *   Release r42 of app to v2 FAILED                     r42
 *   12:04:09Z app - - build done 3s                     ''
 */
export function releaseIn(line: string, service: string): string {
  const [first = '', second = '', third = '', fourth = ''] = line.split(' ');
  if (/^\d\d:\d\d:\d\dZ$/.test(first)) return second === service ? nameIn(third) : '';
  return /^(?:Release|Rollback|release)$/.test(first) && third === 'of' && fourth === service
    ? nameIn(second)
    : '';
}

function nameIn(word: string): string {
  return /^r[1-9]\d*$/.test(word) ? word : '';
}

function push(lines: string[], line: string): void {
  lines.push(line);
  if (lines.length > LINES_MAX) lines.shift();
}
