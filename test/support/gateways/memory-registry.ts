// A registry in memory for tests of what gateways tell each other through it. Each gateway has a client of
// its own, which can be told to fail, to hold its writes, and to hear of changes late; and the registry can
// lose records, or go back to what it was.

import { SluiceError } from '../../../src/base/errors.ts';
import type {
  DeleteOptions,
  KvEntry,
  KvState,
  Lease,
  LeaseOptions,
  PutOptions,
  RecordStore,
  RecordWrite,
  SourceHealth,
  Watch,
  WatchEvents,
} from '../../../src/registry.ts';

type Row = KvEntry & { readonly lease: object | undefined };
type Follower = { readonly prefix: string; readonly tell: () => void };
type Kept = { readonly index: number; readonly rows: ReadonlyMap<string, Row> };

export class MemoryRegistry {
  #index = 1;
  #rows = new Map<string, Row>();
  readonly #followers = new Set<Follower>();

  client(): MemoryStore {
    return new MemoryStore(this);
  }

  keys(prefix = ''): string[] {
    return [...this.#rows.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  text(key: string): string | undefined {
    const row = this.#rows.get(key);
    return row === undefined ? undefined : Buffer.from(row.value).toString();
  }

  document(key: string): unknown {
    const text = this.text(key);
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Past all clients. */
  set(key: string, value: string): void {
    this.#change((index) => this.#put(key, value, index, undefined));
  }

  remove(prefix: string): void {
    this.#change(() => {
      for (const key of this.keys(prefix)) this.#rows.delete(key);
    });
  }

  keep(): Kept {
    return { index: this.#index, rows: new Map(this.#rows) };
  }

  /** Records with their indexes as they were; `lease` records vanish. The registry's own index goes on. */
  restore({ rows }: Kept): void {
    this.#change(() => {
      this.#rows = new Map([...rows].filter(([, row]) => row.lease === undefined));
    });
  }

  get(key: string): KvEntry | undefined {
    return this.#rows.get(key);
  }

  list(prefix: string): KvState {
    const entries = this.keys(prefix).flatMap((key) => this.#rows.get(key) ?? []);
    return { index: this.#index, entries };
  }

  commit(writes: readonly RecordWrite[], lease?: object): boolean {
    for (const { key, cas } of writes) {
      if (cas !== undefined && cas !== (this.#rows.get(key)?.modifyIndex ?? 0)) return false;
    }
    this.#change((index) => {
      for (const write of writes) {
        if ('delete' in write) this.#rows.delete(write.key);
        else this.#put(write.key, write.value, index, lease);
      }
    });
    return true;
  }

  end(lease: object): void {
    this.#change(() => {
      for (const [key, row] of this.#rows) if (row.lease === lease) this.#rows.delete(key);
    });
  }

  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  #put(key: string, value: Uint8Array | string, index: number, lease: object | undefined): void {
    const createIndex = this.#rows.get(key)?.createIndex ?? index;
    const bytes = Buffer.from(value);
    this.#rows.set(key, {
      ...{ key, value: bytes, flags: '0', createIndex, modifyIndex: index, lockIndex: 0, lease },
    });
  }

  #change(act: (index: number) => void): void {
    this.#index += 1;
    act(this.#index);
    for (const { tell } of this.#followers) tell();
  }
}

export class MemoryStore implements RecordStore {
  readonly #registry: MemoryRegistry;
  readonly #watches = new Set<{ readonly deliver: () => void; readonly health: () => void }>();
  readonly #leases = new Map<object, (reason: string) => void>();
  #isAway = false;
  #isFailing = false;
  #isDeaf = false;
  #gate: Promise<void> = Promise.resolve();
  /** Requests so far, `put KEY`. */
  readonly asked: string[] = [];

  constructor(registry: MemoryRegistry) {
    this.#registry = registry;
  }

  /** Nothing is answered any more, and watches are told; or it is back. */
  set isAway(isAway: boolean) {
    this.#isAway = isAway;
    for (const { health, deliver } of this.#watches) {
      health();
      if (!isAway) deliver();
    }
  }

  /** Requests fail, though the watches have not noticed. */
  failQuietly(isFailing: boolean): void {
    this.#isFailing = isFailing;
  }

  /** Watches hear of nothing; what they missed comes when it is over, as it is then. */
  set isDeaf(isDeaf: boolean) {
    this.#isDeaf = isDeaf;
    if (!isDeaf) for (const { deliver } of this.#watches) deliver();
  }

  /** Requests wait until it is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }

  loseLeases(reason = 'a test said so'): void {
    for (const [lease, onLost] of [...this.#leases]) {
      this.#leases.delete(lease);
      this.#registry.end(lease);
      onLost(reason);
    }
  }

  async get(key: string): Promise<KvEntry | undefined> {
    await this.#reach(`get ${key}`);
    return this.#registry.get(key);
  }

  async list(prefix: string): Promise<KvState> {
    await this.#reach(`list ${prefix}`);
    return this.#registry.list(prefix);
  }

  async put(key: string, value: Uint8Array | string, options: PutOptions = {}): Promise<boolean> {
    await this.#reach(`put ${key}`);
    return this.#registry.commit([{ key, value, ...options }]);
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    await this.#reach(`delete ${key}`);
    if (options.recurse === true) this.#registry.remove(key);
    else this.#registry.commit([{ key, delete: true }]);
    return true;
  }

  async commit(writes: readonly RecordWrite[]): Promise<boolean> {
    await this.#reach(`commit ${writes.map(({ key }) => key).join()}`);
    return this.#registry.commit(writes);
  }

  async openLease({ ttlMs, onLost }: LeaseOptions): Promise<Lease> {
    await this.#reach('lease');
    const lease = {};
    this.#leases.set(lease, onLost);
    return {
      ttlMs,
      put: async (key, value) => {
        await this.#reach(`put ${key}`);
        if (!this.#leases.has(lease)) throw new SluiceError('conflict', 'the lease is over');
        this.#registry.commit([{ key, value }], lease);
      },
      delete: async (key) => void (await this.delete(key)),
      close: async () => {
        this.#leases.delete(lease);
        const isHeard = !this.#isAway && !this.#isFailing;
        if (isHeard) this.#registry.end(lease);
        return isHeard;
      },
    };
  }

  watch(prefix: string, { onState, onHealth }: WatchEvents): Watch {
    let told = -1;
    let isOpen = true;
    const deliver = (): void =>
      queueMicrotask(() => {
        const state = this.#registry.list(prefix);
        if (!isOpen || this.#isAway || this.#isDeaf || state.index === told) return;
        if (told < 0) onHealth?.(this.health());
        told = state.index;
        onState(state);
      });
    const watch = { deliver, health: () => onHealth?.(this.health()) };
    this.#watches.add(watch);
    const leave = this.#registry.follow({ prefix, tell: deliver });
    deliver();
    return {
      close: () => {
        isOpen = false;
        this.#watches.delete(watch);
        leave();
      },
    };
  }

  health(): SourceHealth {
    const trouble = this.#isAway ? 'away' : '';
    return { reachable: !this.#isAway, address: 'memory', lastContactMs: 0, trouble };
  }

  close(): void {}

  async #reach(what: string): Promise<void> {
    this.asked.push(what);
    await this.#gate;
    if (this.#isAway || this.#isFailing)
      throw new SluiceError('registry_unreachable', 'registry: away');
  }
}

/** What has been started in memory has happened when it resolves. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
