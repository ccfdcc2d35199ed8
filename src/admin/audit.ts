// Who changed what through the control API: a JSON line each in a file of its own, and the last of them in
// memory. A line is in the file before the change is answered. Where it cannot be written the change
// holds all the same (a full disk must not keep a server in), and the line goes to the log, as an error.

import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { EVENT, EVENTS_MAX, type EventDocument } from './contract.ts';

/** Read at the start, for those who ask about the time before it. */
const TAIL_BYTES = 256 * 1024;
const FILE_MODE = 0o640;

export type AuditOptions = {
  /** '' = none; then the last events are known alone. */
  readonly file: string;
  readonly log: Log;
};

export class AuditLog {
  readonly #options: AuditOptions;
  readonly #events: EventDocument[] = [];
  readonly #watchers = new Set<() => void>();
  #count = 0;
  #descriptor: number | undefined;
  /** The last line in the file is cut off. */
  #isTorn = false;

  constructor(options: AuditOptions) {
    this.#options = options;
    this.#open();
    if (this.#descriptor !== undefined) this.#recall(this.#descriptor);
  }

  /** Never throws. */
  record(event: EventDocument): void {
    this.#remember(event);
    if (this.#options.file === '') return;
    if (this.#descriptor === undefined) this.#open();
    if (this.#descriptor === undefined) return this.#lost(event, 'the file cannot be opened');
    const line = Buffer.from(`${this.#isTorn ? '\n' : ''}${JSON.stringify(event)}\n`);
    let written = 0;
    try {
      while (written < line.length) written += writeSync(this.#descriptor, line, written);
      this.#isTorn = false;
    } catch (error) {
      if (written > 0) this.#isTorn = true;
      this.#lost(event, messageOf(error));
    }
  }

  /** How many there were, also those of the run before that are known. */
  get count(): number {
    return this.#count;
  }

  /** Called after each; returns the unsubscription. */
  watch(onEvent: () => void): () => void {
    this.#watchers.add(onEvent);
    return () => this.#watchers.delete(onEvent);
  }

  /** The newest so many, oldest first. */
  last(count: number): readonly EventDocument[] {
    return count === 0 ? [] : this.#events.slice(-count);
  }

  /** The file was renamed: what comes goes into a new one. */
  reopen(): void {
    if (this.#options.file !== '') this.#open();
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  /** The old one is written on where the new one cannot be opened. */
  #open(): void {
    const { file, log } = this.#options;
    if (file === '') return;
    try {
      const next = openSync(file, 'a+', FILE_MODE);
      this.close();
      this.#descriptor = next;
      this.#isTorn = false;
    } catch (error) {
      log.error({ file, error: messageOf(error) }, 'audit log not opened');
    }
  }

  #recall(descriptor: number): void {
    const { size } = fstatSync(descriptor);
    if (size === 0) return;
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const bytes = readSync(descriptor, tail, 0, tail.length, size - tail.length);
    const text = tail.toString('utf8', 0, bytes);
    this.#isTorn = !text.endsWith('\n');
    for (const line of text.split('\n')) {
      const event = parseLine(line);
      if (event !== undefined) this.#remember(event);
    }
  }

  #remember(event: EventDocument): void {
    this.#events.push(event);
    this.#count += 1;
    for (const onEvent of this.#watchers) onEvent();
    if (this.#events.length > 2 * EVENTS_MAX) this.#events.splice(0, EVENTS_MAX);
  }

  #lost(event: EventDocument, error: string): void {
    const { file, log } = this.#options;
    log.error({ file, error, event }, 'audit line not written');
  }
}

/** Undefined: cut off, or of another program. */
function parseLine(line: string): EventDocument | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return EVENT.fits(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
