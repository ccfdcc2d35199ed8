// A server's record, written and removed for the instance itself (`sluice instance join` and `leave`):
// down until it is healthy, then not; gone at the end. Each write only if nobody else wrote meanwhile.

import { SluiceError } from '../base/errors.ts';
import type { StaticServer } from '../config.ts';
import type { Admin } from '../model.ts';
import { INTENT_NOTE, recordOf } from '../registry.ts';
import { findRecord, parseRecord, type ServerRecord } from './server-record.ts';

/** Others write too. After this many attempts in vain something is wrong. */
const TRIES_MAX = 5;

export type Registration = ServerRecord & {
  readonly down: boolean;
  readonly weight?: number | undefined;
  /** The server as the config file has it, for a record that does not exist yet. */
  readonly configured: StaticServer | undefined;
  /** Somebody has taken it out: what the intent wrote into the record stays. */
  readonly isTakenOut: boolean;
};

/** @throws conflict, registry_unreachable, registry_refused */
export async function writeRegistration(registration: Registration): Promise<void> {
  const { store, prefix, upstream, server, configured } = registration;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const entry = await findRecord(registration);
    const key = entry?.key ?? `${prefix}${upstream}/${server}`;
    const before =
      entry !== undefined
        ? parseRecord(entry)
        : configured === undefined
          ? {}
          : recordOf({ ...configured, down: false });
    const value = JSON.stringify(changed(before, registration));
    if (entry !== undefined && value === JSON.stringify(before)) return;
    const options = {
      cas: entry?.modifyIndex ?? 0,
      ...(entry === undefined ? {} : { flags: entry.flags }),
    };
    if (await store.put(key, value, options)) return;
  }
  throw kept(registration);
}

/** @throws conflict */
export function checkRemovable(server: string, admin: Admin | undefined): void {
  if (admin?.state !== 'ready') return;
  const what = 'takes requests, so its record stays; drain it first';
  throw new SluiceError('conflict', `server ${server}: ${what}`);
}

/** Nothing where there is no record. @throws conflict, registry_unreachable, registry_refused */
export async function removeRegistration(record: ServerRecord): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const entry = await findRecord(record);
    if (entry === undefined) return;
    if (await record.store.delete(entry.key, { cas: entry.modifyIndex })) return;
  }
  throw kept(record);
}

function changed(
  attributes: Readonly<Record<string, unknown>>,
  { down, weight, isTakenOut }: Registration,
): Record<string, unknown> {
  const isNoted = attributes[INTENT_NOTE] === 1;
  const rest = Object.entries(attributes).filter(([name]) => {
    const lower = name.toLowerCase();
    if (lower === 'weight') return weight === undefined;
    return lower !== 'down' && lower !== INTENT_NOTE;
  });
  return {
    ...(weight === undefined ? {} : { weight }),
    ...Object.fromEntries(rest),
    ...(down ? { down: 1 } : isTakenOut && isNoted ? { down: 1, [INTENT_NOTE]: 1 } : {}),
  };
}

function kept({ server, upstream }: ServerRecord): SluiceError {
  return new SluiceError(
    'conflict',
    `record of ${server} in upstream "${upstream}": others kept changing it, ${TRIES_MAX} tries; try again`,
  );
}
