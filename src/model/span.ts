// A span of a trace, as a worker has made it and as it is sent to a collector: plain data, already bounded.

export type SpanAttributes = Readonly<Record<string, string | number>>;

export type SpanData = {
  /** 32 and 16 hex digits. */
  readonly traceId: string;
  readonly spanId: string;
  /** '' = it is the first of its trace. */
  readonly parentId: string;
  /** The parent is a client's. */
  readonly isParentRemote: boolean;
  /** server: an exchange. client: one of its attempts. */
  readonly kind: 'server' | 'client';
  readonly name: string;
  /** The Unix clock. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: SpanAttributes;
  readonly isError: boolean;
};

/** Where spans go. It never makes anybody wait. */
export interface SpanSink {
  take(spans: readonly SpanData[]): void;
  /** Sends what waits, and drops what is not gone when the time is over. */
  close(deadlineMs: number): Promise<void>;
}

/** dropped: the collector did not take them, or there were too many. */
export type SpanCounts = { spansExported: number; spansDropped: number };
