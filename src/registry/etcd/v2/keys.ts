// The calls of etcd's v2 API that read and write keys. Where it is poorer than v3: values are text, a key
// is a value or a folder and never both, and names that begin with _ are in no list.

import { isSluiceError, messageOf, SluiceError } from '../../../base/errors.ts';
import { assertKey, valueBytes } from '../../record-key.ts';
import type { KvState } from '../../record-store.ts';
import { type Calls, type EtcdReply, type RequestFailure, unknownOutcome } from '../transport.ts';
import { entriesOf, nodeOf, type V2Node } from './answer.ts';
import { isAbsent, isMismatch } from './judge.ts';

/** 0 = only if it is absent. */
type Condition = { readonly cas?: number | undefined };

export class V2Keys {
  readonly calls: Calls;
  /** Before every key, without the slash that all keys begin with. */
  readonly root: string;

  constructor(calls: Calls, root: string) {
    this.calls = calls;
    this.root = root.replace(/^\//, '');
  }

  /** Undefined: absent. */
  async node(key: string): Promise<V2Node | undefined> {
    assertKey(key);
    const reply = await this.calls.call({
      method: 'GET',
      path: `${this.pathOf(key)}?quorum=true`,
    });
    return isAbsent(reply) ? undefined : read(() => nodeOf(reply));
  }

  async list(prefix: string, signal?: AbortSignal): Promise<KvState> {
    const path = `${this.folderOf(prefix)}?recursive=true&quorum=true`;
    const reply = await this.calls.call({ method: 'GET', path }, signal ? { signal } : {});
    const index = Math.max(
      1,
      read(() => indexOf(reply)),
    );
    if (isAbsent(reply)) return { index, entries: [] };
    return { index, entries: read(() => entriesOf(nodeOf(reply), this.root, prefix)) };
  }

  /** The index of the write; undefined when its condition did not hold. */
  async put(
    key: string,
    value: Uint8Array | string,
    { cas, ttl }: Condition & { readonly ttl?: number } = {},
  ): Promise<number | undefined> {
    const form = new URLSearchParams({ value: this.textOf(key, value) });
    if (ttl !== undefined) form.set('ttl', String(ttl));
    const reply = await this.#write(key, 'PUT', cas, form.toString());
    return reply === undefined ? undefined : read(() => nodeOf(reply)).modifiedIndex;
  }

  /**
   * Writes over the record as it stands, whatever that is; the index of the write. A request that was sent to
   * a member that froze is carried out when it thaws, long after it was repeated elsewhere and others
   * wrote: so it is bound to the index that it writes over, and comes too late then.
   */
  async putOver(
    key: string,
    value: Uint8Array | string,
    options: { readonly ttl?: number } = {},
  ): Promise<number> {
    const text = this.textOf(key, value);
    for (let tries = 1; tries <= WRITES_MAX; tries++) {
      const known = await this.node(key);
      // A write that changes nothing wakes nobody.
      if (options.ttl === undefined && known?.value === text && !known.isLeased)
        return known.modifiedIndex;
      const cas = known?.modifiedIndex ?? 0;
      const index = await this.put(key, value, { ...options, cas }).catch(ifKnown);
      if (index !== undefined) return index;
    }
    throw changing(key);
  }

  /** Its time begins anew, and nobody is woken. False: it is gone. */
  async refresh(
    key: string,
    ttl: number,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const form = new URLSearchParams({ refresh: 'true', prevExist: 'true', ttl: String(ttl) });
    const request = { method: 'PUT', path: this.pathOf(key), body: form.toString() } as const;
    const reply = await this.calls.call({ ...request, bodyType: FORM }, { timeoutMs, signal });
    return !isAbsent(reply);
  }

  /** False when its condition did not hold. What is not there is deleted. */
  async delete(key: string, { cas }: Condition = {}): Promise<boolean> {
    assertKey(key);
    if (cas === 0) return (await this.node(key)) === undefined;
    if (cas !== undefined) {
      if ((await this.#write(key, 'DELETE', cas)) !== undefined) return true;
      return (await this.node(key)) === undefined;
    }
    // Bound to what it deletes, as a write without a condition is.
    for (let tries = 1; tries <= WRITES_MAX; tries++) {
      const known = await this.node(key);
      if (known?.value === undefined) return true;
      const reply = await this.#write(key, 'DELETE', known.modifiedIndex).catch(ifKnown);
      if (reply !== undefined) return true;
    }
    throw changing(key);
  }

  pathOf(key: string): string {
    return `/v2/keys/${encodePath(this.root + key)}`;
  }

  /** Of the folder that has all keys that begin like this. */
  folderOf(prefix: string): string {
    assertKey(prefix, 'allowed');
    const full = this.root + prefix;
    return `/v2/keys/${encodePath(full.slice(0, Math.max(0, full.lastIndexOf('/'))))}`;
  }

  /** @throws registry_refused for what no JSON text can carry, too_large */
  textOf(key: string, value: Uint8Array | string): string {
    assertKey(key);
    const refuse = (why: string): SluiceError =>
      new SluiceError('registry_refused', `key ${JSON.stringify(key)}: ${why}`);
    if (key.endsWith('/'))
      throw refuse('a folder has no value in the v2 API; write it without the slash');
    if (/(^|\/)_/.test(this.root + key))
      throw refuse('a name that begins with _ is hidden in the v2 API');
    const bytes = valueBytes(key, value);
    const text = bytes.toString();
    if (!Buffer.from(text).equals(bytes))
      throw refuse('the v2 API keeps text, and the value is not');
    return text;
  }

  /** Undefined: absent, or the condition did not hold. */
  async #write(
    key: string,
    method: 'PUT' | 'DELETE',
    cas: number | undefined,
    body?: string,
  ): Promise<EtcdReply | undefined> {
    const condition = cas === undefined ? '' : cas === 0 ? '?prevExist=false' : `?prevIndex=${cas}`;
    let doubt: RequestFailure | undefined;
    const onDoubt = (failure: RequestFailure): void => {
      doubt = failure;
    };
    const reply = await this.calls.call(
      {
        method,
        path: this.pathOf(key) + condition,
        ...(body === undefined ? {} : { body, bodyType: FORM }),
      },
      cas === undefined ? {} : { onDoubt },
    );
    if (!isMismatch(reply)) return reply;
    if (doubt !== undefined) throw unknownOutcome(doubt);
    return undefined;
  }
}

/** Of a write without a condition, when others write the same record. */
const WRITES_MAX = 50;

/** A "no" that may be our own doing: the record is read again and tells. */
function ifKnown(error: unknown): undefined {
  if (isSluiceError(error) && error.details['outcomeUnknown'] === true) return undefined;
  throw error;
}

function changing(key: string): SluiceError {
  return new SluiceError(
    'conflict',
    `key "${key}": others kept changing it, ${WRITES_MAX} tries; try again`,
  );
}

const FORM = 'application/x-www-form-urlencoded';

function encodePath(key: string): string {
  return key
    .split('/')
    .map((segment) => encodeURIComponent(segment))
    .join('/');
}

function indexOf({ index }: EtcdReply): number {
  if (index === undefined) throw new Error('answer without X-Etcd-Index');
  return index;
}

/** Reads an answer. @throws registry_refused */
function read<Result>(parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    throw new SluiceError(
      'registry_refused',
      `registry: ${messageOf(error)}; is it etcd with --enable-v2?`,
      { cause: error },
    );
  }
}
