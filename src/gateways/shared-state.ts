// All that the gateways of one registry have written for each other, as the last look found it: one watch
// of one prefix, parsed record by record. A record that cannot be read is said once; of intents the last
// readable ones stay in force, because a typing error must not put a server into traffic.

import type { Log } from '../base/log.ts';
import type { KvEntry, KvState, RecordStore, SourceHealth, Watch } from '../registry.ts';
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

export type SharedIntents = IntentsDocument & { readonly modifyIndex: number };

export type SharedReceipt = {
  readonly ask: AskDocument;
  /** By gateway. */
  readonly answers: ReadonlyMap<string, AnswerDocument>;
};

export type Shared = {
  readonly gateways: ReadonlyMap<string, GatewayDocument>;
  /** Those whose lease holds. */
  readonly alive: ReadonlySet<string>;
  /** By gateway. */
  readonly applied: ReadonlyMap<string, AppliedDocument>;
  readonly intents: ReadonlyMap<string, SharedIntents>;
  /** By gateway, then by upstream. */
  readonly views: ReadonlyMap<string, ReadonlyMap<string, ViewDocument>>;
  readonly receipts: ReadonlyMap<string, SharedReceipt>;
};

type Parsed = { readonly modifyIndex: number; readonly document: unknown };

export type SharedStateOptions = {
  readonly store: RecordStore;
  readonly prefix: string;
  readonly log: Log;
  readonly onChange: (shared: Shared) => void;
  readonly onHealth: (health: SourceHealth) => void;
};

export class SharedState {
  readonly #options: SharedStateOptions;
  readonly #watch: Watch;
  /** By key, so that a record is parsed once. */
  #parsed = new Map<string, Parsed>();
  #current: Shared | undefined;

  constructor(options: SharedStateOptions) {
    this.#options = options;
    this.#watch = options.store.watch(options.prefix, {
      onState: (state) => this.#take(state),
      onHealth: options.onHealth,
    });
  }

  /** Undefined before the first answer. */
  get current(): Shared | undefined {
    return this.#current;
  }

  close(): void {
    this.#watch.close();
  }

  #take({ entries }: KvState): void {
    const { prefix, onChange } = this.#options;
    const last = this.#current;
    const parsed = new Map<string, Parsed>();
    const gateways = new Map<string, GatewayDocument>();
    const alive = new Set<string>();
    const applied = new Map<string, AppliedDocument>();
    const intents = new Map<string, SharedIntents>();
    const views = new Map<string, Map<string, ViewDocument>>();
    const asks = new Map<string, AskDocument>();
    const answers = new Map<string, Map<string, AnswerDocument>>();
    /** The document of an entry; undefined when it has none. */
    const read = <Value>(entry: KvEntry, parse: (text: string) => Value | undefined) => {
      const known = this.#parsed.get(entry.key);
      const isKnown = known?.modifyIndex === entry.modifyIndex;
      const document = isKnown ? known.document : parse(Buffer.from(entry.value).toString());
      parsed.set(entry.key, { modifyIndex: entry.modifyIndex, document });
      if (!isKnown && document === undefined) this.#say(entry.key);
      // The same parser made it: the key says which.
      return document as Value | undefined;
    };
    for (const entry of entries) {
      const [kind = '', name = '', ...rest] = entry.key.slice(prefix.length).split('/');
      if (kind === 'gateways') {
        const document = read(entry, parseGateway);
        if (document !== undefined) gateways.set(name, document);
      } else if (kind === 'alive') alive.add(name);
      else if (kind === 'applied') {
        const document = read(entry, parseApplied);
        if (document !== undefined) applied.set(name, document);
      } else if (kind === 'intents') {
        const document = read(entry, parseIntents) ?? last?.intents.get(name);
        const { modifyIndex } = entry;
        if (document !== undefined) intents.set(name, { ...document, modifyIndex });
      } else if (kind === 'views') {
        const document = read(entry, parseView);
        if (document !== undefined) childOf(views, name).set(rest.join('/'), document);
      } else if (kind === 'receipts' && rest[0] === 'ask') {
        const document = read(entry, parseAsk);
        if (document !== undefined) asks.set(name, document);
      } else if (kind === 'receipts' && rest[0] === 'of') {
        const document = read(entry, parseAnswer);
        if (document !== undefined) childOf(answers, name).set(rest[1] ?? '', document);
      }
    }
    this.#parsed = parsed;
    const receipts = new Map(
      [...asks].map(([id, ask]) => [id, { ask, answers: answers.get(id) ?? new Map() }] as const),
    );
    this.#current = { gateways, alive, applied, intents, views, receipts };
    onChange(this.#current);
  }

  #say(key: string): void {
    const advice = 'it is not what sluice writes there; delete it, or correct it';
    this.#options.log.error({ key, advice }, 'record of the gateways cannot be read');
  }
}

function childOf<Value>(map: Map<string, Map<string, Value>>, name: string): Map<string, Value> {
  const known = map.get(name) ?? new Map<string, Value>();
  map.set(name, known);
  return known;
}
