// Which version runs at an address, as releases write it down in the registry: `process.launch.version` of
// the instances' records. Every gateway follows them, so each knows the versions, whatever gateway the runner
// used. Of a record nothing else is read: what is in it is for runners, and may be secret.

import type { KvEntry, RecordStore, Watch } from '../registry.ts';
import { fromJson } from './documents.ts';

export class VersionWatch {
  readonly #watch: Watch;
  /** Records that were read, by key: their index. */
  readonly #known = new Map<string, number>();
  readonly #versions = new Map<string, string>();

  /** `prefix`: of the instances of all services. */
  constructor(store: Pick<RecordStore, 'watch'>, prefix: string) {
    this.#watch = store.watch(prefix, { onState: ({ entries }) => this.#take(entries) });
  }

  /** '' = not known. */
  version(server: string): string {
    return this.#versions.get(server) ?? '';
  }

  close(): void {
    this.#watch.close();
  }

  #take(entries: readonly KvEntry[]): void {
    for (const entry of entries) {
      if (this.#known.get(entry.key) === entry.modifyIndex) continue;
      this.#known.set(entry.key, entry.modifyIndex);
      const server = entry.key.slice(entry.key.lastIndexOf('/') + 1);
      const version = versionIn(fromJson(entry));
      // Between the stop of one and the start of the next there is none: the last one is still what was seen.
      if (version !== undefined) this.#versions.set(server, version);
    }
  }
}

/** '': the instance was retired. Undefined: it says nothing. */
function versionIn(record: unknown): string | undefined {
  if (fieldOf(record, 'retired') === true) return '';
  const version = fieldOf(fieldOf(fieldOf(record, 'process'), 'launch'), 'version');
  return typeof version === 'string' ? version : undefined;
}

function fieldOf(record: unknown, name: string): unknown {
  // A map, so that nothing inherited is found.
  return typeof record === 'object' && record !== null
    ? new Map<string, unknown>(Object.entries(record)).get(name)
    : undefined;
}
