// The records of the registries for a page: listed, shown, and changed only over what was seen. Sluice's own
// and what gateways cannot read are changed by force alone.

import type {
  KvEffectDocument,
  KvEffectQuestion,
  KvEntryDocument,
  KvListDocument,
  KvListQuestion,
  KvRemoveRequest,
  KvWriteRequest,
  RecordDesk,
  Tell,
} from '../admin.ts';
import { SluiceError } from '../base/errors.ts';
import { mayAct, type Role } from '../model.ts';
import { COMMIT_WRITES_MAX, type KvEntry, readInstance } from '../registry.ts';
import type { EffectParts } from './effect.ts';
import { recordEffect } from './record-desk/effect.ts';
import { entryDocument } from './record-desk/entry-document.ts';
import {
  keysUnder,
  newestIndex,
  ownerOf,
  placeOf,
  type RecordPlace,
  recordPlaces,
} from './record-desk/places.ts';
import { rowsOf } from './record-desk/rows.ts';

/** Keys that one removal of a prefix takes away. */
const REMOVED_MAX = 10_000;
/** Of a server's record in the audit log. */
const TOLD_CHARACTERS_MAX = 1024;

export class RegistryDesk implements RecordDesk {
  readonly #parts: EffectParts;

  constructor(parts: EffectParts) {
    this.#parts = parts;
  }

  async list(question: KvListQuestion): Promise<KvListDocument> {
    const place = this.#place(question.registry);
    const { config, recordPrefix, ownPrefix } = place;
    const keys = await keysUnder(place, question.prefix);
    return {
      registry: config.name,
      registries: recordPlaces(this.#parts.registries).map((other) => other.config.name),
      ...{ prefix: question.prefix, recordPrefix, ownPrefix, ...rowsOf(keys, question) },
    };
  }

  async entry(
    { registry, key }: { readonly registry: string; readonly key: string },
    role: Role,
  ): Promise<KvEntryDocument> {
    const place = this.#place(registry);
    return this.#document(place, key, await place.store.get(key), role);
  }

  effect(question: KvEffectQuestion, isClosed: boolean): Promise<KvEffectDocument> {
    return recordEffect(this.#parts, this.#place(question.registry), { ...question, isClosed });
  }

  async write(request: KvWriteRequest, role: Role, tell: Tell): Promise<KvEntryDocument> {
    const { key, value, index, force } = request;
    const place = this.#place(request.registry);
    const about = whatIsTold(place, request);
    tell(about);
    checkOwn(place, [key], role, force);
    checkReadable(place, key, value, force);
    const before = await place.store.get(key);
    tell({ ...about, ...beforeTold(place, before) });
    if ((before?.modifyIndex ?? 0) !== index) throw await this.#changed(place, key, before, role);
    const flags = before === undefined ? {} : { flags: before.flags };
    if (!(await place.store.put(key, value, { cas: index, ...flags }))) {
      throw await this.#changed(place, key, await place.store.get(key), role);
    }
    return this.#document(place, key, await place.store.get(key), role);
  }

  async remove(request: KvRemoveRequest, role: Role, tell: Tell): Promise<number> {
    const { key, index, force } = request;
    const place = this.#place(request.registry);
    if (request.prefix) return this.#removeAll(place, request, role, tell);
    const about = whatIsTold(place, request);
    tell(about);
    checkOwn(place, [key], role, force);
    const before = await place.store.get(key);
    tell({ ...about, ...beforeTold(place, before) });
    if (before === undefined) throw new SluiceError('not_found', `there is no key "${key}"`);
    if (before.modifyIndex !== index) throw await this.#changed(place, key, before, role);
    if (await place.store.delete(key, { cas: index })) return 1;
    throw await this.#changed(place, key, await place.store.get(key), role);
  }

  async #removeAll(
    place: RecordPlace,
    { registry, key, index, count, force }: KvRemoveRequest,
    role: Role,
    tell: Tell,
  ): Promise<number> {
    tell({ registry, key, prefix: true, index, count, force });
    const { entries } = await place.store.list(key);
    const newest = newestIndex(entries);
    if (entries.length !== count || newest !== index) {
      throw new SluiceError(
        'conflict',
        `prefix "${key}": ${entries.length} keys are there now, and not what was seen; look again`,
        { details: { count: entries.length, index: newest } },
      );
    }
    checkOwn(
      place,
      entries.map((entry) => entry.key),
      role,
      force,
    );
    if (count > REMOVED_MAX) {
      throw new SluiceError(
        'usage',
        `prefix "${key}": ${count} keys, at most ${REMOVED_MAX} at a time; remove folders below it`,
      );
    }
    for (let from = 0; from < entries.length; from += COMMIT_WRITES_MAX) {
      const batch = entries.slice(from, from + COMMIT_WRITES_MAX);
      const isDone = await place.store.commit(
        batch.map((entry) => ({ key: entry.key, delete: true, cas: entry.modifyIndex })),
      );
      if (isDone) continue;
      throw new SluiceError(
        'conflict',
        `prefix "${key}": ${from} of ${count} are removed; others were changed meanwhile, look again`,
        { details: { removed: from } },
      );
    }
    return entries.length;
  }

  #place(registry: string): RecordPlace {
    return placeOf(this.#parts.registries, registry);
  }

  async #changed(
    place: RecordPlace,
    key: string,
    entry: KvEntry | undefined,
    role: Role,
  ): Promise<SluiceError> {
    const what = entry === undefined ? 'is not there any more' : 'was changed by somebody else';
    const current = await this.#document(place, key, entry, role);
    return new SluiceError('conflict', `key "${key}": ${what}; nothing was done`, {
      details: { current },
    });
  }

  async #document(
    place: RecordPlace,
    key: string,
    entry: KvEntry | undefined,
    role: Role,
  ): Promise<KvEntryDocument> {
    const { session = '' } = entry ?? {};
    const holder = session === '' ? '' : ((await place.store.holderOf?.(session)) ?? '');
    return entryDocument(place, { key, entry, role, holder });
  }
}

/** @throws usage, forbidden */
function checkOwn(
  place: RecordPlace,
  keys: readonly string[],
  role: Role,
  isForced: boolean,
): void {
  const own = keys.find((key) => ownerOf(place, key) === 'sluice');
  if (own === undefined) return;
  if (!mayAct(role, 'release')) {
    throw new SluiceError(
      'forbidden',
      `key "${own}": is sluice's own; to change it a token needs the role release`,
      { details: { needs: 'release', has: role } },
    );
  }
  if (isForced) return;
  throw new SluiceError(
    'usage',
    `key "${own}": is sluice's own, and a release that runs may need it; "force": true changes it`,
  );
}

/** @throws usage */
function checkReadable(place: RecordPlace, key: string, value: string, isForced: boolean): void {
  if (isForced || ownerOf(place, key) !== 'server' || key.endsWith('/')) return;
  const read = readInstance(key, Buffer.from(value), place.recordPrefix);
  if ('instance' in read && read.unreadable.length === 0 && !read.breaksUpsync) return;
  const problems = 'problem' in read ? [read.problem] : read.problems;
  throw new SluiceError(
    'usage',
    `key "${key}": gateways would report: ${problems.map(({ message }) => message).join('; ')}; "force": true writes it as it is`,
  );
}

/**
 * For the audit log: of a server's record what it said and says, of any other key only how long the value
 * is. What others keep in the registry may be a secret.
 */
function whatIsTold(
  place: RecordPlace,
  request: KvWriteRequest | KvRemoveRequest,
): Readonly<Record<string, unknown>> {
  const { registry, key, index, force } = request;
  const value = 'value' in request ? request.value : undefined;
  const about = { registry, key, index, force };
  const size = value === undefined ? {} : { bytes: Buffer.byteLength(value) };
  if (ownerOf(place, key) !== 'server') return { ...about, ...size };
  const read = readInstance(key, Buffer.from('{}'), place.recordPrefix);
  const server =
    'instance' in read ? { upstream: read.instance.service, server: read.instance.id } : {};
  return { ...about, ...server, ...(value === undefined ? {} : { value: shown(value) }) };
}

function beforeTold(
  place: RecordPlace,
  entry: KvEntry | undefined,
): Readonly<Record<string, unknown>> {
  if (entry === undefined) return { before: null };
  if (ownerOf(place, entry.key) !== 'server') return { bytesBefore: entry.value.length };
  return { before: shown(Buffer.from(entry.value).toString()) };
}

function shown(text: string): string {
  return text.length > TOLD_CHARACTERS_MAX ? `${text.slice(0, TOLD_CHARACTERS_MAX)}…` : text;
}
