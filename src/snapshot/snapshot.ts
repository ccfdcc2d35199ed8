// The daemon's memory in `state_dir`: `intent.json`, `memory.json` (see state.ts) and `gateway.json`. A file that is
// not what we wrote is reported, set aside as `.bad` and never trusted; one that a newer program wrote
// is left alone and the start refused. Who may open the folder is decided in lock.ts.

import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SluiceError } from '../base/errors.ts';
import { createFolder } from '../base/folder.ts';
import type { Log } from '../base/log.ts';
import { readStateFile, writeStateFile, writeStateFileSync } from './file.ts';
import {
  type Memory,
  memoryToJson,
  type Override,
  parseGatewayId,
  parseMemory,
  parseOverrides,
} from './state.ts';

const VERSION = 1;
/** Changes within this time are written together, ms; where a write takes long, longer. */
const WRITE_DELAY_MS = 1000;
/** The whole memory is written each time: it may take one part in so many of our time, ms. */
const WRITE_COST_FACTOR = 200;
const WRITE_DELAY_MAX_MS = 30_000;
/** Writes are synced this seldom, ms: the registry's commits wait while another sync is under way. */
const SYNC_INTERVAL_MS = 60_000;
/** A write that failed is tried again after this time, ms. */
const RETRY_DELAY_MS = 5000;

const NO_MEMORY: Memory = { generation: 0, memberships: new Map(), verdicts: [], names: [] };

/** Creates the folder when it is missing. @throws data_dir_unusable */
export function createStateDir(stateDir: string): void {
  try {
    createFolder(stateDir);
  } catch (cause) {
    throw new SluiceError(
      'data_dir_unusable',
      `state_dir ${stateDir}: cannot be created (${messageOf(cause)}); choose another "state_dir" or correct its mode`,
      { cause },
    );
  }
}

/** @throws data_dir_unusable */
export function openSnapshot(options: { readonly stateDir: string; readonly log: Log }): Snapshot {
  createStateDir(options.stateDir);
  return new Snapshot(options);
}

export class Snapshot {
  /** As the last run left them. */
  readonly memory: Memory;
  readonly overrides: readonly Override[];
  /** The name under which other gateways knew the last run; '' = none. */
  readonly lastGateway: string;
  readonly #log: Log;
  readonly #intentPath: string;
  readonly #memoryPath: string;
  readonly #gatewayPath: string;
  #produce: (() => Memory) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failing = false;
  #syncedMs = Number.NEGATIVE_INFINITY;
  #delayMs = WRITE_DELAY_MS;

  /** Where the memory is, for messages. */
  get memoryFile(): string {
    return this.#memoryPath;
  }

  constructor(options: { readonly stateDir: string; readonly log: Log }) {
    this.#log = options.log;
    this.#intentPath = join(options.stateDir, 'intent.json');
    this.#memoryPath = join(options.stateDir, 'memory.json');
    this.overrides = this.#load(this.#intentPath, parseOverrides) ?? [];
    this.#gatewayPath = join(options.stateDir, 'gateway.json');
    this.lastGateway = this.#load(this.#gatewayPath, parseGatewayId) ?? '';
    this.memory = this.#load(this.#memoryPath, parseMemory) ?? NO_MEMORY;
  }

  /** Replaces all overrides; durable when it returns. @throws storage_full, storage_failed */
  saveOverrides(overrides: readonly Override[]): void {
    writeStateFileSync(this.#intentPath, VERSION, { overrides });
  }

  /** For the next run. Without it that only takes longer until this one is forgotten. */
  saveGateway(id: string): void {
    try {
      writeStateFileSync(this.#gatewayPath, VERSION, { id });
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'name of this gateway not written');
    }
  }

  /** Something changed: write what `produce` returns, soon. The last caller's `produce` wins. */
  remember(produce: () => Memory): void {
    this.#produce = produce;
    this.#schedule(this.#delayMs);
  }

  /** Writes what is still waiting. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#writing;
    this.#syncedMs = Number.NEGATIVE_INFINITY;
    await this.#write();
    // What could not be written is not tried again.
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#produce = undefined;
  }

  #schedule(delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      // After the write before, so that two never share the temporary file.
      this.#writing = this.#writing.then(async () => {
        this.#timer = undefined;
        await this.#write();
      });
    }, delayMs).unref();
  }

  async #write(): Promise<void> {
    const produce = this.#produce;
    if (produce === undefined) return;
    this.#produce = undefined;
    try {
      const startMs = performance.now();
      const isSynced = startMs - this.#syncedMs >= SYNC_INTERVAL_MS;
      const memory = memoryToJson(produce());
      // Until it waits for the disk, it is our processor's time.
      const written = writeStateFile(this.#memoryPath, VERSION, memory, isSynced);
      const costMs = performance.now() - startMs;
      this.#delayMs = Math.min(
        WRITE_DELAY_MAX_MS,
        Math.max(WRITE_DELAY_MS, WRITE_COST_FACTOR * costMs),
      );
      await written;
      if (isSynced) this.#syncedMs = startMs;
      if (this.#failing) this.#log.info({ file: this.#memoryPath }, 'snapshot written again');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#log.error({ error: messageOf(error) }, 'snapshot not written');
      this.#failing = true;
      this.#produce ??= produce;
      this.#schedule(RETRY_DELAY_MS);
    }
  }

  #load<T>(path: string, parse: (data: unknown) => T | undefined): T | undefined {
    const content = readStateFile(path, VERSION);
    if (content.kind === 'missing') return undefined;
    if (content.kind === 'future') {
      throw new SluiceError(
        'data_dir_unusable',
        `state file ${path}: a newer sluice wrote it (version ${content.version}, this one reads ${VERSION}); run that one, or move the file away`,
      );
    }
    const data = content.kind === 'good' ? parse(content.data) : undefined;
    if (data !== undefined) return data;
    const reason = content.kind === 'bad' ? content.reason : 'its data has the wrong shape';
    this.#setAside(path, reason);
    return undefined;
  }

  #setAside(path: string, reason: string): void {
    const bad = `${path}.bad`;
    try {
      renameSync(path, bad);
    } catch (cause) {
      throw new SluiceError(
        'data_dir_unusable',
        `state file ${path}: ${reason}, and it cannot be set aside (${messageOf(cause)}); move it away`,
        { cause },
      );
    }
    this.#log.error({ file: path, reason, setAside: bad }, 'state file not trusted');
  }
}
