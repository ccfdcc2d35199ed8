// Follows one prefix: reads it once, then a stream of events from the next revision on. When the stream
// breaks, the member freezes or another one is in use, it is opened again where it stopped, so that
// nothing is missed and nothing read twice. What was compacted away, or comes of other data than before,
// is read anew. Trouble changes nothing of what the watcher knows; it is told apart, by onHealth.

import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { KvEntry, Watch, WatchEvents } from '../../record-store.ts';
import { ANSWER_BYTES_MAX, type Follower, type Pulse, Turns, WatchHealth } from '../transport.ts';
import {
  entryOf,
  type Fields,
  fieldsOf,
  headerOf,
  listOf,
  numberOf,
  parseFields,
  rangeOf,
} from './answer.ts';
import { Entries } from './entries.ts';
import { type EtcdKv, read } from './kv.ts';
import { StreamLines } from './stream-lines.ts';

/** Until a stream has begun. */
const BEGIN_TIMEOUT_MS = 3_000;
/** Between two looks whether a silent stream has missed something; longer where a look takes long. */
const CHECK_MS = 1_000;
const CHECK_SHARE = 50;

export function watchPrefix(options: {
  readonly kv: EtcdKv;
  readonly log: Log;
  readonly prefix: string;
  readonly events: WatchEvents;
}): Watch {
  const watch = new EtcdWatch(options);
  watch.run().catch((error: unknown) => {
    const { log, prefix } = options;
    log.error({ path: prefix, reason: messageOf(error) }, 'registry watch ended');
  });
  return watch;
}

class EtcdWatch implements Watch, Follower {
  readonly key: string;
  trouble = '';
  readonly #kv: EtcdKv;
  readonly #log: Log;
  readonly #prefix: string;
  readonly #events: WatchEvents;
  readonly #health: WatchHealth;
  readonly #turns: Turns;
  readonly #entries = new Entries();
  /** Everything up to it is known; 0 = nothing, read the prefix. */
  #revision = 0;
  #clusterId = '';
  #isTold = false;
  #isOpen = false;
  #changes = new Changes();
  #checkAfterMs = 0;
  /** The registry's revision when a look found that nothing was missed. */
  #checkedRevision = 0;
  /** What was known when something seemed to be missing. */
  #suspectRevision = 0;

  constructor(options: Parameters<typeof watchPrefix>[0]) {
    this.#kv = options.kv;
    this.#log = options.log;
    this.#prefix = options.prefix;
    this.#events = options.events;
    this.key = options.kv.root + options.prefix;
    this.#health = new WatchHealth(options.kv.calls.endpoints, options);
    this.#turns = new Turns(options.kv.calls.endpoints, this.#health);
  }

  close(): void {
    this.#turns.close();
  }

  run(): Promise<void> {
    return this.#turns.run(this, async (signal) => {
      const reason = await this.#turn(signal);
      this.#isOpen = false;
      return reason;
    });
  }

  known(): number {
    return this.#revision;
  }

  onPulse({ revision, clusterId }: Pulse, known: number): void {
    if (known === 0 || this.#revision === 0 || revision === undefined) return;
    // What was known before the question is part of every answer of the same data.
    if (revision < known || clusterId !== this.#clusterId) {
      this.#log.warn(
        { path: this.#prefix, index: revision, expected: known },
        'registry holds other data than before, reading anew',
      );
      this.#restart();
    } else if (revision > Math.max(this.#revision, this.#checkedRevision)) {
      this.#check().catch(() => {
        // An answer that is none: the next look tells.
      });
    }
  }

  onMoved(): void {
    this.#turns.breakOff();
  }

  onAway(reason: string): void {
    if (!this.#turns.isClosed) this.#health.away(reason);
  }

  onThere(): void {
    // With an open stream nothing was missed; one that must be opened tells when it is.
    if (this.#health.isAway && this.#isOpen && this.trouble === '') this.#health.there();
  }

  /** One stream, from its beginning to its end. '': go on at once, else what is wrong. */
  async #turn(signal: AbortSignal): Promise<string> {
    try {
      if (this.#revision === 0) await this.#readAll(signal);
      const { calls, root } = this.#kv;
      const lines = new StreamLines(ANSWER_BYTES_MAX, (line) => this.#readLine(line));
      this.#changes = new Changes();
      const body = {
        create_request: {
          ...rangeOf(root + this.#prefix),
          start_revision: String(this.#revision + 1),
        },
      };
      const outcome = await calls.try(
        { method: 'POST', path: '/v3/watch', body: JSON.stringify(body) },
        {
          address: calls.endpoints.current,
          timeoutMs: BEGIN_TIMEOUT_MS,
          signal,
          fresh: true,
          onData: (piece) => {
            lines.push(piece);
            this.#deliver();
          },
        },
      );
      if (signal.aborted || outcome === 'login') return '';
      return 'reason' in outcome ? outcome.reason : 'the stream ended';
    } catch (error) {
      if (signal.aborted) return '';
      this.trouble = messageOf(error);
      return this.trouble;
    }
  }

  async #readAll(signal: AbortSignal): Promise<void> {
    const { revision, clusterId, entries } = await this.#kv.list(this.#prefix, { signal });
    if (signal.aborted) return;
    const isNews = !this.#isTold || !this.#entries.equals(entries);
    this.#revision = revision;
    this.#clusterId = clusterId;
    this.#entries.replace(entries);
    if (!isNews) return;
    this.#isTold = true;
    this.#events.onState({ index: revision, entries: this.#entries.copy() });
  }

  /** @throws Error for what is no message of a stream, and for a stream that was refused. */
  #readLine(line: string): void {
    const message = parseFields(line);
    if (message['error'] !== undefined)
      throw new Error(`watch: ${JSON.stringify(message['error'])}`);
    const result = fieldsOf(message['result'], 'result');
    const { clusterId } = headerOf(result);
    if (result['canceled'] === true) return this.#canceled(result);
    if (clusterId !== this.#clusterId) return this.#restart();
    if (result['created'] === true) {
      this.#turns.succeeded();
      this.trouble = '';
      this.#isOpen = true;
      this.#health.there();
    }
    for (const item of listOf(result['events'], 'events')) {
      const event = fieldsOf(item, 'event');
      this.#changes.note(entryOf(event['kv'], this.#kv.root), event['type'] === 'DELETE');
    }
  }

  #canceled(result: Fields): void {
    if (numberOf(result['compact_revision'], 'compact_revision') > 0) {
      this.#log.info(
        { path: this.#prefix },
        'registry was compacted beyond our state, reading anew',
      );
      return this.#restart();
    }
    const reason = String(result['cancel_reason'] ?? 'the watch was canceled');
    if (/auth token|user name is empty|auth store is old/.test(reason)) this.#kv.calls.renewLogin();
    throw new Error(reason);
  }

  /** What a piece of the stream brought, in one. */
  #deliver(): void {
    const { records, index } = this.#changes;
    if (records.size === 0 || this.#turns.isClosed) return;
    this.#changes = new Changes();
    for (const [key, record] of records) {
      if (record === undefined) this.#entries.delete(key);
      else this.#entries.set(record);
    }
    this.#revision = Math.max(this.#revision, index);
    if (this.#events.onRecords !== undefined) {
      const entries = [...records.values()].filter((record) => record !== undefined);
      const removed = [...records].flatMap(([key, record]) => (record === undefined ? [key] : []));
      if (this.#events.onRecords({ index, entries, removed })) return;
    }
    this.#events.onState({ index, entries: this.#entries.copy() });
  }

  /**
   * The registry has changed and the stream has said nothing: perhaps other keys changed, perhaps its
   * connection is dead. Two looks in a row that find something missing end it.
   */
  async #check(): Promise<void> {
    const startedMs = performance.now();
    if (startedMs < this.#checkAfterMs) return;
    this.#checkAfterMs = Number.POSITIVE_INFINITY;
    const known = this.#revision;
    const stream = this.#turns.signal;
    const body = {
      ...rangeOf(this.key),
      keys_only: true,
      limit: '1',
      min_mod_revision: String(known + 1),
    };
    const answer = await this.#kv.post('kv/range', body).catch(() => undefined);
    const spentMs = performance.now() - startedMs;
    this.#checkAfterMs = performance.now() + Math.max(CHECK_MS, CHECK_SHARE * spentMs);
    if (answer === undefined || stream.aborted || this.#revision !== known) return;
    const isMissing =
      answer['kvs'] !== undefined || Number(answer['count'] ?? 0) !== this.#entries.size;
    if (!isMissing) this.#checkedRevision = read(() => headerOf(answer)).revision;
    else if (this.#suspectRevision !== known) this.#suspectRevision = known;
    else {
      this.#log.warn({ path: this.#prefix }, 'registry watch missed a change, opening it again');
      if (this.#turns.signal === stream) this.#turns.breakOff();
    }
  }

  #restart(): void {
    this.#revision = 0;
    this.#checkedRevision = 0;
    this.#turns.breakOff();
  }
}

/** Records by key as they now are, undefined where one was deleted. */
class Changes {
  readonly records = new Map<string, KvEntry | undefined>();
  index = 0;

  note(record: KvEntry, isDeletion: boolean): void {
    this.records.set(record.key, isDeletion ? undefined : record);
    this.index = Math.max(this.index, record.modifyIndex);
  }
}
