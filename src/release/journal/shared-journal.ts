// The journal of a release in the registry, and the lock that goes with it. Records are sent in their
// order by one sender, several at once where they have piled up; whoever must be sure that what was sent
// is there waits for it. Beside it the lock is renewed, and commands come with the answers. When the lock
// is lost, nothing is sent any more, and the release hears of it.

import type { CloseRequest, CommandDocument, ReleaseRecords } from '../../admin/contract.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import { pause } from '../wait.ts';
import { type StampedRecord, sharedRecord } from './lines.ts';

/** Of one request. */
const RECORDS_MAX = 32;
const BYTES_MAX = 200 * 1024;
/** A renewal waits so long for a command, ms. */
const RENEW_WAIT_MS = 3000;
/** Least time from one renewal to the next, ms. */
const RENEW_REST_MS = 1000;
const RETRY_EVERY_MS = 250;
/** A release that is to end waits so long for an answer that is under way: its job is killed soon. */
const STOPPED_MS = 1000;
const SILENT = 'the control plane does not answer: the journal is not in the registry';

export type SharedJournalOptions = {
  readonly records: ReleaseRecords;
  readonly service: string;
  readonly fence: number;
};

type Item =
  | { readonly record: StampedRecord }
  | { readonly instance: string; readonly value: Readonly<Record<string, unknown>> };

export class SharedJournal {
  readonly fence: number;
  /** Called for each command; set by the release. */
  onCommand: (command: CommandDocument) => void = () => {};
  readonly #options: SharedJournalOptions;
  readonly #queue: Item[] = [];
  readonly #closed = new AbortController();
  readonly #lost = new AbortController();
  readonly #waiting = new Set<() => void>();
  #loss: SluiceError | null = null;
  /** Why the last request failed; null when it did not. */
  #trouble: SluiceError | null = null;
  /** It is no use to try again. */
  #isStuck = false;
  #isSending = false;
  #heard = 0;

  constructor(options: SharedJournalOptions) {
    this.#options = options;
    this.fence = options.fence;
  }

  /** Aborted when the lock is lost. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get loss(): SluiceError | null {
    return this.#loss;
  }

  /** From now on the lock is renewed. */
  start(): void {
    void this.#renew();
  }

  send(record: StampedRecord): void {
    this.#put({ record });
  }

  putInstance(instance: string, value: Readonly<Record<string, unknown>>): void {
    this.#put({ instance, value });
  }

  /**
   * Resolves when all is in the registry. `stop` ends the waiting while it is away or says nothing.
   * @throws locked, and why it is not there after `timeoutMs`
   */
  async flush(timeoutMs: number, stop: AbortSignal): Promise<void> {
    let deadlineMs = performance.now() + timeoutMs;
    let isStopped = false;
    for (;;) {
      if (this.#loss !== null) throw this.#loss;
      if (this.#queue.length === 0) return;
      if (stop.aborted && !isStopped) {
        isStopped = true;
        deadlineMs = Math.min(deadlineMs, performance.now() + STOPPED_MS);
      }
      const isLate = performance.now() >= deadlineMs;
      if (this.#trouble !== null && (isLate || isStopped || this.#isStuck)) throw this.#trouble;
      // Else a request that is under way is waited for: it ends by itself.
      if (isLate && isStopped) throw new SluiceError('timeout', SILENT);
      await this.#change(Math.max(RETRY_EVERY_MS, deadlineMs - performance.now()), stop);
    }
  }

  /** Gives the lock back with the end of the release. @throws as flush */
  async close(end: Omit<CloseRequest, 'fence'>, timeoutMs: number): Promise<void> {
    const { records, service, fence } = this.#options;
    const deadlineMs = performance.now() + timeoutMs;
    await this.flush(timeoutMs, new AbortController().signal);
    for (;;) {
      try {
        return await records.close(service, { fence, ...end });
      } catch (error) {
        if (!isAway(error) || performance.now() >= deadlineMs) throw error;
      }
      await pause(RETRY_EVERY_MS);
    }
  }

  /** Nothing is sent or renewed any more. */
  stop(): void {
    this.#closed.abort();
  }

  #put(item: Item): void {
    if (this.#loss !== null) return;
    this.#queue.push(item);
    if (!this.#isSending) void this.#send();
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    while (this.#queue.length > 0 && this.#loss === null && !this.#closed.signal.aborted) {
      try {
        const count = await this.#sendFirst();
        this.#queue.splice(0, count);
        this.#trouble = null;
      } catch (error) {
        if (!isSluiceError(error)) {
          this.#trouble = new SluiceError('internal', String(error), { cause: error });
          this.#isStuck = true;
        } else if (error.code === 'locked') this.#lose(error);
        else {
          this.#trouble = error;
          this.#isStuck = !isAway(error);
        }
      }
      this.#tell();
      if (this.#isStuck) break;
      if (this.#trouble !== null) await pause(RETRY_EVERY_MS, this.#closed.signal);
    }
    this.#isSending = false;
  }

  /** How many of the queue were sent. */
  async #sendFirst(): Promise<number> {
    const { records, service, fence } = this.#options;
    const [first] = this.#queue;
    if (first !== undefined && 'instance' in first) {
      const { instance, value } = first;
      await records.putInstance(service, instance, { fence, record: value });
      return 1;
    }
    const batch = [];
    let bytes = 0;
    for (const item of this.#queue.slice(0, RECORDS_MAX)) {
      if ('instance' in item) break;
      const record = sharedRecord(item.record, fence);
      bytes += JSON.stringify(record).length;
      if (batch.length > 0 && bytes > BYTES_MAX) break;
      batch.push(record);
    }
    await records.append(service, { fence, records: batch });
    return batch.length;
  }

  async #renew(): Promise<void> {
    const { records, service, fence } = this.#options;
    while (!this.#closed.signal.aborted && this.#loss === null) {
      const startedMs = performance.now();
      let restMs = RENEW_REST_MS;
      try {
        const waitMs = RENEW_WAIT_MS;
        const request = { fence, heard: this.#heard, waitMs };
        const { asked } = await records.renew(service, request, this.#closed.signal);
        if (asked !== null && asked.seq > this.#heard) {
          this.#heard = asked.seq;
          restMs = 0;
          this.onCommand(asked);
        }
      } catch (error) {
        if (this.#closed.signal.aborted) return;
        if (isSluiceError(error) && error.code === 'locked') return this.#lose(error);
        // While it is away the lock gets old; it is ours until somebody else has taken it.
        restMs = RETRY_EVERY_MS;
      }
      const leftMs = restMs - (performance.now() - startedMs);
      if (leftMs > 0) await pause(leftMs, this.#closed.signal);
    }
  }

  #lose(error: SluiceError): void {
    if (this.#closed.signal.aborted) return;
    this.#loss ??= error;
    this.#lost.abort();
    this.#tell();
  }

  #change(timeoutMs: number, stop: AbortSignal): Promise<void> {
    const changed = new AbortController();
    const wake = (): void => changed.abort();
    this.#waiting.add(wake);
    return pause(timeoutMs, changed.signal, ...(stop.aborted ? [] : [stop])).finally(() => {
      this.#waiting.delete(wake);
    });
  }

  #tell(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

/** It may answer later. */
function isAway(error: unknown): error is SluiceError {
  return isSluiceError(error) && AWAY.has(error.code);
}

const AWAY: ReadonlySet<SluiceError['code']> = new Set([
  'unreachable',
  'timeout',
  'registry_unreachable',
]);
