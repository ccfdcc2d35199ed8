// What is known of the releases of a service, as the gateways of a registry share it: the lock, one
// summary per release, the records of a journal, the records of the instances.

import {
  either,
  fields,
  flag,
  list,
  nothing,
  number,
  object,
  optional,
  text,
  type ValueOf,
  word,
} from './shape.ts';

export type ReleaseKind = 'deploy' | 'rollback' | 'stop';
export type CommandKind = 'pause' | 'resume' | 'approve' | 'abort' | 'abort_now';

/** What somebody wants of a release that runs. */
const COMMAND = object({
  /** Rises with each command. */
  seq: number,
  command: word<CommandKind>(),
  by: text,
  why: text,
  /** Of `approve`: what is approved, as the release that waits calls it. */
  before: optional(text),
});

export type CommandDocument = ValueOf<typeof COMMAND>;

/** It waits for a person, who says `approve`. Times are those of the runner's clock. */
const WAITS = object({ before: text, sinceMs: number, untilMs: number });
export type WaitsDocument = ValueOf<typeof WAITS>;

const HOLDER = object({
  release: text,
  upstream: text,
  version: text,
  user: text,
  /** For people: `pid 4711 on ci-1`. */
  runner: text,
  /** As it was asked for: who asks again, because the answer was lost, gets the same. */
  ticket: text,
  sinceMs: number,
  /** The last step that it began, `drain of 10.0.0.7:9001`. */
  step: text,
  /** Left out while it waits for nobody. */
  waits: optional(WAITS),
});

export const LOCK = object({
  /** Of the newest release. */
  number,
  /** Rises each time that the lock is taken; whoever has an older one has lost it. */
  fence: number,
  /** Rises with each sign of life of the holder. */
  beat: number,
  holder: either(HOLDER, nothing),
  /** A release whose runner is gone, while what it drained is looked at; ''. */
  orphan: text,
  /** The newest one. */
  asked: either(COMMAND, nothing),
});

export type LockDocument = ValueOf<typeof LOCK>;

export const RELEASE = object({
  release: text,
  number,
  kind: word<ReleaseKind>(),
  version: text,
  upstream: text,
  user: text,
  runner: text,
  beganAtMs: number,
  /** 0: it has not come to its end. */
  endedAtMs: number,
  /** '' when it has not come to its end. */
  outcome: text,
  exit: number,
  reason: text,
  /** The last step that it began; known when it is over. */
  lastStep: text,
  /** At its end every instance of the service was at its version. */
  complete: flag,
  /** The release that a rollback undoes; ''. */
  of: text,
  why: text,
  /** Versions that ran before; left out until it has a plan, and by older gateways. */
  from: optional(list(text)),
  /** What became of the requests meanwhile; left out until its end, and where nothing was counted. */
  counted: optional(
    object({
      requests: number,
      /** Cut or lost. */
      failed: number,
      retried: number,
      /** False: a gateway was not heard, or has forgotten what it counted. */
      complete: flag,
    }),
  ),
});

export type ReleaseSummary = ValueOf<typeof RELEASE>;

const RECORD = object({
  seq: number,
  ts: text,
  kind: text,
  instance: text,
  step: text,
  fence: number,
  data: fields,
});

export type ReleaseRecord = ValueOf<typeof RECORD>;
export const JOURNAL_RECORD = RECORD;

export const TAKEN = object({
  /** False: the gateway has no registry that others share; nothing was taken. */
  shared: flag,
  release: text,
  number,
  fence: number,
  /** Of the next record of its journal. */
  nextSeq: number,
});

export type TakenDocument = ValueOf<typeof TAKEN>;

export const RENEWED = object({ asked: either(COMMAND, nothing) });
export type RenewedDocument = ValueOf<typeof RENEWED>;

export const APPENDED = object({ service: text, written: number });

export const RELEASES = object({
  shared: flag,
  lock: either(LOCK, nothing),
  /** The holder of the lock has given no sign of life for so long that it counts as dead. */
  stale: flag,
  /** Newest first. */
  releases: list(RELEASE),
});

export type ReleasesDocument = ValueOf<typeof RELEASES>;

export const RELEASE_JOURNAL = object({ release: text, summary: RELEASE, records: list(RECORD) });
export type ReleaseJournal = ValueOf<typeof RELEASE_JOURNAL>;

export const INSTANCES = object({
  shared: flag,
  instances: list(object({ instance: text, record: fields })),
});

export type InstancesDocument = ValueOf<typeof INSTANCES>;

export const COMMANDED = object({ release: text });
export const DONE = object({ service: text });
