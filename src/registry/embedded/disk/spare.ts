// Room kept for removals: on a full disk a removal, too, must be written before anything is freed. A
// file of zeros holds that room until then. It is made anew when the disk has space again.

import { closeSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../../../base/errors.ts';

/** As much as the log holds before it is moved into the database: then that can be done, too. */
const BYTES = 4 * 1024 * 1024;
/** Of a small disk at most this part. */
const PART_OF_DISK = 1 / 16;
const BLOCK = new Uint8Array(64 * 1024);
/** A disk that was full a moment ago is not filled by us. */
const RETRY_MS = 10_000;

export class Spare {
  readonly #path: string;
  readonly #dataDir: string;
  #isThere: boolean;
  #retryAtMs = 0;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#path = join(dataDir, 'spare');
    this.#isThere = false;
    this.refill();
  }

  /** Gives the room away. False: there is none. */
  free(): boolean {
    if (!this.#isThere) return false;
    this.#isThere = false;
    this.#retryAtMs = performance.now() + RETRY_MS;
    try {
      rmSync(this.#path, { force: true });
      return true;
    } catch {
      return false; // The folder is not ours any more; the write says so.
    }
  }

  /** Takes the room again if it is missing; from time to time, and only if the disk has it. */
  refill(): void {
    if (this.#isThere || performance.now() < this.#retryAtMs) return;
    this.#retryAtMs = performance.now() + RETRY_MS;
    try {
      const { bsize, blocks, bavail } = statfsSync(this.#dataDir);
      const wanted = Math.min(BYTES, Math.floor(bsize * blocks * PART_OF_DISK));
      const held = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
      // Twice: what is left beside it is for writes.
      if (held < wanted && bsize * bavail < 2 * wanted) return;
      if (held < wanted) fill(this.#path, wanted);
      this.#isThere = true;
    } catch (error) {
      // Without it all works but removals on a full disk.
      if (systemCode(error) === 'ENOSPC') rmSync(this.#path, { force: true });
    }
  }
}

function fill(path: string, bytes: number): void {
  const descriptor = openSync(path, 'w', 0o600);
  try {
    for (let at = 0; at < bytes; at += BLOCK.length) writeSync(descriptor, BLOCK);
  } finally {
    closeSync(descriptor);
  }
}
