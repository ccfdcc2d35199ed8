// Spans of a worker on their way to a collector: in batches, one at a time, out of a bounded queue. Requests never
// wait for it. Where the collector is away, slow or refuses, spans are dropped and counted, and the log says so once.

import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { SpanCounts, SpanData, SpanSink } from '../model.ts';

/** Spans that wait; what comes beyond is dropped. */
const QUEUED_MAX = 4096;
const BATCH_MAX = 512;
/** The oldest one waits so long for others, ms. */
const GATHER_MS = 1000;

/** Hands a batch over; rejects where the collector did not take it. */
export type Exporter = {
  send(spans: readonly SpanData[]): Promise<void>;
  close(): Promise<void>;
};

export type SpanExportOptions = {
  /** `http://127.0.0.1:4318/v1/traces` */
  readonly endpoint: string;
  /** Of the resource: `service.name`. */
  readonly service: string;
  readonly version: string;
  readonly log: Log;
  /** Raised as spans leave. */
  readonly counts: SpanCounts;
  /** A test brings its own. */
  readonly open?: (options: SpanExportOptions) => Promise<Exporter>;
};

export class SpanExport implements SpanSink {
  readonly #options: SpanExportOptions;
  #queue: SpanData[] = [];
  #exporter: Promise<Exporter> | undefined;
  #sending: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isFailing = false;
  #isClosed = false;
  #closed: Promise<void> | undefined;

  constructor(options: SpanExportOptions) {
    this.#options = options;
  }

  take(spans: readonly SpanData[]): void {
    if (this.#isClosed || this.#queue.length + spans.length > QUEUED_MAX) {
      this.#options.counts.spansDropped += spans.length;
      return;
    }
    this.#queue.push(...spans);
    // Loading takes a while: it is done by the time that the first batch is full.
    this.#open().catch(ignore);
    if (this.#queue.length >= BATCH_MAX) this.#pump();
    else this.#timer ??= setTimeout(() => this.#pump(), GATHER_MS).unref();
  }

  /** Sends what waits; what is not gone when the time is over is dropped. */
  close(deadlineMs: number): Promise<void> {
    this.#closed ??= this.#close(deadlineMs);
    return this.#closed;
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#isClosed = true;
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([this.#drain(), over]);
    clearTimeout(timer);
    clearTimeout(this.#timer);
    this.#options.counts.spansDropped += this.#queue.length;
    this.#queue = [];
    const exporter = await Promise.race([this.#exporter?.catch(() => undefined), over]);
    // It may wait for an answer that does not come.
    void exporter?.close().catch(ignore);
  }

  async #drain(): Promise<void> {
    while (this.#sending !== undefined || this.#queue.length > 0) {
      this.#pump();
      await this.#sending;
    }
  }

  #pump(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sending !== undefined || this.#queue.length === 0) return;
    const batch = this.#queue.splice(0, BATCH_MAX);
    this.#sending = this.#send(batch).finally(() => {
      this.#sending = undefined;
      if (this.#queue.length >= BATCH_MAX) this.#pump();
      else if (this.#queue.length > 0 && !this.#isClosed)
        this.#timer ??= setTimeout(() => this.#pump(), GATHER_MS).unref();
    });
  }

  #open(): Promise<Exporter> {
    const { open = openOtlp } = this.#options;
    this.#exporter ??= open(this.#options);
    return this.#exporter;
  }

  /** Never rejects. */
  async #send(batch: readonly SpanData[]): Promise<void> {
    const { endpoint, log } = this.#options;
    try {
      await (await this.#open()).send(batch);
      this.#options.counts.spansExported += batch.length;
      if (this.#isFailing)
        log.info(
          { endpoint, dropped: this.#options.counts.spansDropped },
          'spans are exported again',
        );
      this.#isFailing = false;
    } catch (error) {
      this.#options.counts.spansDropped += batch.length;
      if (!this.#isFailing)
        log.warn(
          { endpoint, error: messageOf(error) },
          'spans cannot be exported, and are dropped',
        );
      this.#isFailing = true;
    }
  }
}

async function openOtlp(options: SpanExportOptions): Promise<Exporter> {
  const { openOtlpExporter } = await import('./otlp.ts');
  return openOtlpExporter(options);
}

function ignore(): void {}
