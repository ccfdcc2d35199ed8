// All that the gateways of one registry have written for each other, as the last look found it, parsed
// record by record. What everybody must know is always watched. What each gateway sees is watched only
// while somebody here asks for it: with many gateways each would otherwise be woken by all the others. A record
// that cannot be read is said once, and what could be read last stays: a typing error must not put a server
// into traffic, nor hide a gateway or a receipt.

import type { Log } from '../base/log.ts';
import type { KvEntry, RecordStore, SourceHealth, Watch } from '../registry.ts';
import {
  type AnswerDocument,
  type AppliedDocument,
  type AskDocument,
  type GatewayDocument,
  type IntentsDocument,
  parseAnswer,
  parseApplied,
  parseAsk,
  parseGateway,
  parseIntents,
  parseView,
  type ViewDocument,
} from './documents.ts';

/** What each gateway sees is watched for so long after somebody asked last, ms. */
const SEEN_KEEP_MS = 60_000;

export type SharedIntents = IntentsDocument & { readonly modifyIndex: number };

/** What everybody must know. */
export type Shared = {
  readonly gateways: ReadonlyMap<string, GatewayDocument>;
  /** Those of them whose record cannot be read: what is known of them is older. */
  readonly unreadable: ReadonlySet<string>;
  /** Those whose lease holds. */
  readonly alive: ReadonlySet<string>;
  readonly intents: ReadonlyMap<string, SharedIntents>;
  /** By receipt. */
  readonly asks: ReadonlyMap<string, AskDocument>;
};

/** What each gateway sees. */
export type Seen = {
  /** By gateway. */
  readonly applied: ReadonlyMap<string, AppliedDocument>;
  /** By gateway, then by upstream. */
  readonly views: ReadonlyMap<string, ReadonlyMap<string, ViewDocument>>;
  /** By receipt, then by gateway. */
  readonly answers: ReadonlyMap<string, ReadonlyMap<string, AnswerDocument>>;
};

const NOTHING_SEEN: Seen = { applied: new Map(), views: new Map(), answers: new Map() };

export type SharedStateOptions = {
  readonly store: RecordStore;
  readonly prefix: string;
  readonly log: Log;
  /** Somebody waits for what each gateway sees: it is followed on. */
  readonly isAwaited: () => boolean;
  readonly onShared: (shared: Shared) => void;
  readonly onSeen: () => void;
  readonly onHealth: (health: SourceHealth) => void;
};

export class SharedState {
  readonly #options: SharedStateOptions;
  readonly #watch: Watch;
  readonly #sharedRecords: ParsedRecords;
  readonly #seenRecords: ParsedRecords;
  #shared: Shared | undefined;
  #seen = NOTHING_SEEN;
  #seenWatch: Watch | undefined;
  #seenTimer: NodeJS.Timeout | undefined;
  #isSeen = false;

  constructor(options: SharedStateOptions) {
    this.#options = options;
    const { store, prefix, log } = options;
    this.#sharedRecords = new ParsedRecords(`${prefix}shared/`, log);
    this.#seenRecords = new ParsedRecords(`${prefix}seen/`, log);
    this.#watch = store.watch(`${prefix}shared/`, {
      onState: ({ entries }) => this.#takeShared(entries),
      onHealth: options.onHealth,
    });
  }

  /** Undefined before the first answer. */
  get shared(): Shared | undefined {
    return this.#shared;
  }

  /** Nothing before somebody has looked. */
  get seen(): Seen {
    return this.#seen;
  }

  /** The first answer to `look` is here. */
  get isSeen(): boolean {
    return this.#isSeen;
  }

  /** From now on, for a while, what each gateway sees is followed. */
  look(): void {
    clearTimeout(this.#seenTimer);
    this.#seenTimer = setTimeout(() => {
      if (this.#options.isAwaited()) this.look();
      else this.#lookAway();
    }, SEEN_KEEP_MS).unref();
    this.#seenWatch ??= this.#options.store.watch(`${this.#options.prefix}seen/`, {
      onState: ({ entries }) => this.#takeSeen(entries),
    });
  }

  close(): void {
    this.#watch.close();
    this.#lookAway();
  }

  #lookAway(): void {
    clearTimeout(this.#seenTimer);
    this.#seenWatch?.close();
    this.#seenWatch = undefined;
    this.#isSeen = false;
    this.#seen = NOTHING_SEEN;
  }

  #takeShared(entries: readonly KvEntry[]): void {
    const last = this.#shared;
    const gateways = new Map<string, GatewayDocument>();
    const unreadable = new Set<string>();
    const alive = new Set<string>();
    const intents = new Map<string, SharedIntents>();
    const asks = new Map<string, AskDocument>();
    for (const { entry, kind, name, read } of this.#sharedRecords.of(entries)) {
      if (kind === 'alive') alive.add(name);
      else if (kind === 'gateways') {
        const isRead = read(parseGateway, (document) => gateways.set(name, document));
        const known = last?.gateways.get(name);
        if (isRead) continue;
        unreadable.add(name);
        if (known !== undefined) gateways.set(name, known);
      } else if (kind === 'receipts') {
        const isRead = read(parseAsk, (document) => asks.set(name, document));
        const known = last?.asks.get(name);
        if (!isRead && known !== undefined) asks.set(name, known);
      } else if (kind === 'intents') {
        const { modifyIndex } = entry;
        const known = last?.intents.get(name);
        if (known !== undefined) intents.set(name, { ...known, modifyIndex });
        read(parseIntents, (document) => intents.set(name, { ...document, modifyIndex }));
      }
    }
    this.#shared = { gateways, unreadable, alive, intents, asks };
    this.#options.onShared(this.#shared);
  }

  #takeSeen(entries: readonly KvEntry[]): void {
    const applied = new Map<string, AppliedDocument>();
    const views = new Map<string, Map<string, ViewDocument>>();
    const answers = new Map<string, Map<string, AnswerDocument>>();
    for (const { kind, name, rest, read } of this.#seenRecords.of(entries)) {
      if (kind === 'applied') read(parseApplied, (document) => applied.set(name, document));
      else if (kind === 'views') {
        read(parseView, (document) => childOf(views, name).set(rest, document));
      } else if (kind === 'receipts') {
        read(parseAnswer, (document) => childOf(answers, name).set(rest, document));
      }
    }
    this.#seen = { applied, views, answers };
    this.#isSeen = true;
    this.#options.onSeen();
  }
}

type ParsedRecord = {
  readonly entry: KvEntry;
  readonly kind: string;
  readonly name: string;
  readonly rest: string;
  /** Calls `take` when the record can be read; else it gives false. */
  read<Value>(parse: (text: string) => Value | undefined, take: (document: Value) => void): boolean;
};

/** The records of a prefix; each is parsed once. */
class ParsedRecords {
  readonly #prefix: string;
  readonly #log: Log;
  #parsed = new Map<string, { readonly modifyIndex: number; readonly document: unknown }>();

  constructor(prefix: string, log: Log) {
    this.#prefix = prefix;
    this.#log = log;
  }

  of(entries: readonly KvEntry[]): readonly ParsedRecord[] {
    const last = this.#parsed;
    const parsed: typeof last = new Map();
    this.#parsed = parsed;
    return entries.map((entry) => {
      const { key, value, modifyIndex } = entry;
      const [kind = '', name = '', ...rest] = key.slice(this.#prefix.length).split('/');
      const read: ParsedRecord['read'] = (parse, take) => {
        const known = last.get(key);
        const isKnown = known?.modifyIndex === modifyIndex;
        // The key says by which parser it was made.
        const before = known?.document as ReturnType<typeof parse>;
        const document = isKnown ? before : parse(Buffer.from(value).toString());
        parsed.set(key, { modifyIndex, document });
        if (document !== undefined) take(document);
        else if (!isKnown) this.#say(key);
        return document !== undefined;
      };
      return { entry, kind, name, rest: rest.join('/'), read };
    });
  }

  #say(key: string): void {
    const advice = 'it is not what sluice writes there; delete it, or correct it';
    this.#log.error({ key, advice }, 'record of the gateways cannot be read');
  }
}

function childOf<Value>(map: Map<string, Map<string, Value>>, name: string): Map<string, Value> {
  const known = map.get(name) ?? new Map<string, Value>();
  map.set(name, known);
  return known;
}
