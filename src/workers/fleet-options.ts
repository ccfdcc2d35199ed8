// What the worker processes need of the primary, and tell it.

import type { Log } from '../base/log.ts';
import type { ReadPage } from '../gateway.ts';
import type { StoryBatch, TableUpdate } from '../model.ts';
import type { SocketsById } from './bind.ts';
import type { Guest } from './handover/guests.ts';
import type { TableChanges } from './table-changes.ts';

export type FleetOptions = {
  /** Where the next primary finds our workers. */
  readonly handover: string;
  /** Workers of the last primary that serve on. */
  readonly guests?: readonly Guest[];
  /** The sockets that clients come in by. */
  readonly sockets: () => SocketsById;
  readonly log: Log;
  readonly table: (changes?: TableChanges) => TableUpdate;
  /** Called when there are new figures of a worker, and when a worker is gone. */
  readonly onFigures: () => void;
  /** What a worker tells of its requests. */
  readonly onStories?: (worker: number, batch: StoryBatch) => void;
  readonly readPage: ReadPage;
};
