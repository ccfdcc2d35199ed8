// The client of every Consul-compatible registry: the embedded one and a real Consul alike. Several
// addresses, any of which may be asked; reads, writes and watches of the KV.

import { messageOf, SluiceError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { SourceHealth } from '../membership-source.ts';
import { assertKey, valueBytes } from '../record-key.ts';
import type {
  DeleteOptions,
  KvEntry,
  KvState,
  Lease,
  LeaseOptions,
  PutOptions,
  RecordStore,
  RecordWrite,
  Watch,
  WatchEvents,
} from '../record-store.ts';
import { parseDone, parseEntries, parseHolder, parseKeys, parseState } from './answer.ts';
import { hiddenReason } from './hidden.ts';
import type { ConsulReply } from './http-request.ts';
import { openSessionLease, type RenewSession } from './lease.ts';
import { Liveness } from './liveness.ts';
import { type ConsulAccess, ConsulTransport } from './transport.ts';
import { watchPrefix } from './watch.ts';

/** Longer than a Consul cluster with default settings needs for a new leader. */
const REQUEST_TIMEOUT_MS = 30_000;
/** How long a query blocks: a peer that vanished without a word is noticed a little later. */
const WAIT_MS = 60_000;
/** One address that refuses is a registry that does not run; all of a cluster may be restarting. */
const NOBODY_MS = 1_500;
const NOBODY_OF_MANY_MS = 10_000;

/** Opens a client; connects when first used. @throws config_invalid for files that cannot be used. */
export function openConsul(
  options: ConsulAccess & {
    readonly log: Log;
    /** How long one read or write may take, all tries together. */
    readonly requestTimeoutMs?: number;
    /** When nobody listens at any address for so long, a read or write gives up. */
    readonly nobodyMs?: number;
    /** How long a blocking query of a watch waits. */
    readonly waitMs?: number;
    /** Where the registry is in this process: renews a session without a request. */
    readonly renewSession?: RenewSession;
    readonly random?: () => number;
  },
): RecordStore {
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS, waitMs = WAIT_MS, log } = options;
  const { nobodyMs = options.addresses.length > 1 ? NOBODY_OF_MANY_MS : NOBODY_MS } = options;
  const transport = new ConsulTransport({ ...options, requestTimeoutMs, nobodyMs });
  return new ConsulStore(transport, log, waitMs, options.renewSession);
}

class ConsulStore implements RecordStore {
  readonly #transport: ConsulTransport;
  readonly #liveness: Liveness;
  readonly #log: Log;
  readonly #waitMs: number;
  readonly #renewSession: RenewSession | undefined;

  constructor(
    transport: ConsulTransport,
    log: Log,
    waitMs: number,
    renewSession: RenewSession | undefined,
  ) {
    this.#renewSession = renewSession;
    this.#transport = transport;
    this.#liveness = new Liveness(transport, log);
    this.#log = log;
    this.#waitMs = waitMs;
  }

  async get(key: string): Promise<KvEntry | undefined> {
    const reply = await this.#transport.call({ method: 'GET', path: pathOf(key) });
    if (reply.status === 404) {
      parse(reply, (answer) => parseState(answer));
      return undefined;
    }
    return parse(reply, ({ body }) => parseEntries(body.toString()))[0];
  }

  async list(prefix: string): Promise<KvState> {
    const path = pathOf(prefix, true);
    const reply = await this.#transport.call({ method: 'GET', path: `${path}?recurse` });
    const state = parse(reply, (answer) => parseState(answer));
    if (state.entries.length > 0) return state;
    const signal = this.#transport.closing;
    const reason = await hiddenReason(this.#transport, { prefix, path, signal });
    if (reason !== '') throw new SluiceError('registry_refused', `registry ${reason}`);
    return state;
  }

  async keys(prefix: string): Promise<readonly string[]> {
    const path = pathOf(prefix, true);
    const reply = await this.#transport.call({ method: 'GET', path: `${path}?keys` });
    const keys = parse(reply, parseKeys);
    // What a token may not see is not there, as in a list: that says why.
    return keys.length > 0 ? keys : (await this.list(prefix)).entries.map(({ key }) => key);
  }

  async holderOf(session: string): Promise<string> {
    const path = `/v1/session/info/${encodeURIComponent(session)}`;
    return parse(await this.#transport.call({ method: 'GET', path }), parseHolder);
  }

  async put(key: string, value: Uint8Array | string, options: PutOptions = {}): Promise<boolean> {
    const body = valueBytes(key, value);
    const path = pathOf(key) + queryOf({ cas: options.cas, flags: options.flags });
    const repeatable = options.cas === undefined;
    return parse(await this.#transport.call({ method: 'PUT', path, body }, repeatable), parseDone);
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    const recurse = options.recurse === true;
    const path =
      pathOf(key, recurse) + queryOf({ recurse: recurse ? '' : undefined, cas: options.cas });
    const repeatable = options.cas === undefined;
    return parse(await this.#transport.call({ method: 'DELETE', path }, repeatable), parseDone);
  }

  async commit(writes: readonly RecordWrite[]): Promise<boolean> {
    const reply = await this.#transport.call(
      { method: 'PUT', path: '/v1/txn', body: transactionBody(writes), answers: [409] },
      writes.every(({ cas }) => cas === undefined),
    );
    return reply.status !== 409;
  }

  openLease(options: LeaseOptions): Promise<Lease> {
    return openSessionLease(this.#transport, pathOf, options, this.#renewSession);
  }

  watch(prefix: string, events: WatchEvents): Watch {
    return watchPrefix({
      transport: this.#transport,
      liveness: this.#liveness,
      log: this.#log,
      prefix,
      path: pathOf(prefix, true),
      waitMs: this.#waitMs,
      events,
    });
  }

  health(): SourceHealth {
    return this.#transport.health;
  }

  close(): void {
    this.#transport.close();
  }
}

/** @throws registry_refused for a key that no request path can carry. */
function pathOf(key: string, emptyAllowed = false): string {
  assertKey(key, emptyAllowed ? 'allowed' : 'no');
  return `/v1/kv/${key.split('/').map(encodeURIComponent).join('/')}`;
}

/** The body of PUT /v1/txn. Flags have 64 bits, so the number is written as its text. */
function transactionBody(writes: readonly RecordWrite[]): Buffer {
  const operations = writes.map((write) => {
    pathOf(write.key);
    const key = `"Key":${JSON.stringify(write.key)}`;
    const index = write.cas === undefined ? '' : `,"Index":${write.cas}`;
    if ('delete' in write) {
      // Consul knows no deletion of what must be absent; that is nothing to do, and still a condition.
      const verb =
        write.cas === undefined ? 'delete' : write.cas === 0 ? 'check-not-exists' : 'delete-cas';
      return `{"KV":{"Verb":"${verb}",${key}${verb === 'delete-cas' ? index : ''}}}`;
    }
    const verb = write.cas === undefined ? 'set' : 'cas';
    const value = valueBytes(write.key, write.value).toString('base64');
    const flags = write.flags === undefined ? '' : `,"Flags":${BigInt(write.flags)}`;
    return `{"KV":{"Verb":"${verb}",${key},"Value":"${value}"${index}${flags}}}`;
  });
  return Buffer.from(`[${operations.join(',')}]`);
}

function queryOf(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const pairs = Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => (value === '' ? name : `${name}=${encodeURIComponent(String(value))}`));
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

function parse<Result>(reply: ConsulReply, read: (reply: ConsulReply) => Result): Result {
  try {
    return read(reply);
  } catch (error) {
    throw new SluiceError(
      'registry_refused',
      `registry: ${messageOf(error)}; is it a Consul-compatible registry?`,
      { cause: error },
    );
  }
}
