// The client of every Consul-compatible registry: the embedded one and a real Consul alike. Several
// addresses, any of which may be asked; reads, writes and watches of the KV.

import { messageOf, SluiceError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Address } from '../../base/units.ts';
import type { SourceHealth } from '../membership-source.ts';
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
import { parseDone, parseEntries, parseState } from './answer.ts';
import type { ConsulReply } from './http-request.ts';
import { openSessionLease } from './lease.ts';
import { ConsulTransport } from './transport.ts';
import { watchPrefix } from './watch.ts';

/** Longer than a Consul cluster with default settings needs for a new leader. */
const REQUEST_TIMEOUT_MS = 30_000;
/** How long a query blocks: a peer that vanished without a word is noticed a little later. */
const WAIT_MS = 60_000;
const VALUE_BYTES_MAX = 512 * 1024;

/** Opens a client; connects when first used. At least one address. */
export function openConsul(options: {
  readonly addresses: readonly Address[];
  readonly token?: string;
  readonly log: Log;
  /** How long one read or write may take, all tries together. */
  readonly requestTimeoutMs?: number;
  /** How long a blocking query of a watch waits. */
  readonly waitMs?: number;
  readonly random?: () => number;
}): RecordStore {
  return new ConsulStore(
    new ConsulTransport({
      addresses: options.addresses,
      token: options.token ?? '',
      requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      random: options.random ?? Math.random,
    }),
    options.log,
    options.waitMs ?? WAIT_MS,
  );
}

class ConsulStore implements RecordStore {
  readonly #transport: ConsulTransport;
  readonly #log: Log;
  readonly #waitMs: number;

  constructor(transport: ConsulTransport, log: Log, waitMs: number) {
    this.#transport = transport;
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
    const path = `${pathOf(prefix, true)}?recurse`;
    return parse(await this.#transport.call({ method: 'GET', path }), (answer) =>
      parseState(answer),
    );
  }

  async put(key: string, value: Uint8Array | string, options: PutOptions = {}): Promise<boolean> {
    const body = bytesOf(key, value);
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
    return openSessionLease(this.#transport, pathOf, options);
  }

  watch(prefix: string, events: WatchEvents): Watch {
    return watchPrefix({
      transport: this.#transport,
      log: this.#log,
      path: `${pathOf(prefix, true)}?recurse`,
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
  const segments = key.split('/');
  const unclean = segments.some(
    (segment, at) =>
      segment === '.' || segment === '..' || (segment === '' && at < segments.length - 1),
  );
  if (unclean || (key === '' && !emptyAllowed)) {
    throw new SluiceError(
      'registry_refused',
      `key "${key}": empty, "." and ".." segments cannot be stored; write it without them`,
    );
  }
  if (/[\p{Cc}]/u.test(key)) {
    throw new SluiceError('registry_refused', `key ${JSON.stringify(key)}: has control characters`);
  }
  if (!key.isWellFormed()) {
    throw new SluiceError(
      'registry_refused',
      `key ${JSON.stringify(key)}: half of a surrogate pair has no UTF-8`,
    );
  }
  return `/v1/kv/${segments.map((segment) => encodeURIComponent(segment)).join('/')}`;
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
    const value = bytesOf(write.key, write.value).toString('base64');
    const flags = write.flags === undefined ? '' : `,"Flags":${BigInt(write.flags)}`;
    return `{"KV":{"Verb":"${verb}",${key},"Value":"${value}"${index}${flags}}}`;
  });
  return Buffer.from(`[${operations.join(',')}]`);
}

/** @throws too_large */
function bytesOf(key: string, value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length <= VALUE_BYTES_MAX) return bytes;
  throw new SluiceError(
    'too_large',
    `key "${key}": value of ${bytes.length} bytes, at most ${VALUE_BYTES_MAX}; store it elsewhere`,
  );
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
