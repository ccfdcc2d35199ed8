// What the live stream says of releases. Each record of a release is written in one commit with the lock of its
// service, and the locks are followed: what was read is read again when its lock has changed, and not each second.

import type {
  LockDocument,
  ReleaseJournal,
  ReleaseRecords,
  ReleasesDocument,
} from '../../admin.ts';
import type { ReleaseLook } from '../shared.ts';

/** Readings that are kept; those of a page that nobody looks at any more give way first. */
const READINGS_MAX = 64;

type Reading = { readonly mark: string; readonly answer: Promise<unknown> };

export class SeenReleases {
  readonly #releases: () => ReleaseRecords & ReleaseLook;
  readonly #readings = new Map<string, Reading>();

  constructor(releases: () => ReleaseRecords & ReleaseLook) {
    this.#releases = releases;
  }

  /** Services of which there was ever a release, and how their locks are. */
  standing(): ReadonlyMap<string, { readonly lock: LockDocument; readonly stale: boolean }> {
    return this.#releases().standing?.() ?? new Map();
  }

  /** @throws registry_… */
  async history(service: string): Promise<ReleasesDocument> {
    const history = await this.#read(service, '', () => this.#releases().history(service));
    const now = this.standing().get(service);
    // A lock becomes stale without a change.
    return now === undefined ? history : { ...history, ...now };
  }

  /** @throws not_found, registry_… */
  journal(service: string, release: string): Promise<ReleaseJournal> {
    return this.#read(service, release, () => this.#releases().journal(service, release));
  }

  #read<Value>(service: string, release: string, read: () => Promise<Value>): Promise<Value> {
    const standing = this.standing().get(service);
    // Nothing is followed: nothing would tell that it changed.
    if (standing === undefined) return read();
    const { fence, beat, asked, orphan, holder } = standing.lock;
    // Its end takes the holder away, and nothing else.
    const mark = [fence, beat, asked?.seq ?? 0, orphan, holder?.release ?? ''].join();
    const key = JSON.stringify([service, release]);
    const known = this.#readings.get(key);
    this.#readings.delete(key);
    const isCurrent = known?.mark === mark;
    // What the key stands for was made by the same `read`.
    const answer = isCurrent ? (known.answer as Promise<Value>) : read();
    this.#readings.set(key, { mark, answer });
    const [oldest] = this.#readings.keys();
    if (this.#readings.size > READINGS_MAX && oldest !== undefined) this.#readings.delete(oldest);
    answer.catch(() => {
      if (this.#readings.get(key)?.answer === answer) this.#readings.delete(key);
    });
    return answer;
  }
}
