// Writes a server's weight into its record in the registry: read, change that one attribute, write
// if nobody else wrote meanwhile. A server that only the config file names gets a record from it.

import { SluiceError } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import type { StaticServer } from '../config.ts';
import { recordOf } from '../registry.ts';
import { findRecord, parseRecord, type ServerRecord } from './server-record.ts';

/** Others write too. After this many attempts in vain something is wrong. */
const TRIES_MAX = 5;
/** Less than the 10 s of the CLI: otherwise it looks as if the control API hung, not the registry. */
const DEADLINE_MS = 8000;

export type WeightChange = ServerRecord & {
  readonly weight: number;
  /** The server as the config file has it, for a record that does not exist yet. */
  readonly configured: StaticServer | undefined;
};

/** How far the write is, and whether its caller has given up. */
type Progress = { isSent: boolean; isOver: boolean };

/** @throws conflict, not_found, registry_unreachable, registry_refused */
export async function writeWeight(change: WeightChange): Promise<void> {
  const { upstream, server } = change;
  const progress: Progress = { isSent: false, isOver: false };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      progress.isOver = true;
      const outcome = progress.isSent
        ? 'the weight may still change; see "sluice status"'
        : 'nothing was written';
      reject(
        new SluiceError(
          'registry_unreachable',
          `weight of ${server} in upstream "${upstream}": no answer from the registry within ` +
            `${formatDuration(DEADLINE_MS)}; ${outcome}; is its process stuck?`,
        ),
      );
    }, DEADLINE_MS);
  });
  try {
    await Promise.race([write(change, progress), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function write(change: WeightChange, progress: Progress): Promise<void> {
  const { store, upstream, server } = change;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const { key, value, options } = await plannedWeight(change);
    // The caller was told that nothing was written.
    if (progress.isOver) return;
    progress.isSent = true;
    if (await store.put(key, value, options)) return;
  }
  throw new SluiceError(
    'conflict',
    `record of ${server} in upstream "${upstream}": others kept changing it, ${TRIES_MAX} tries; try again`,
  );
}

/** What is to be written, over what is there now. @throws conflict, not_found, registry_… */
export async function plannedWeight(change: WeightChange) {
  const { prefix, upstream, server, weight } = change;
  const entry = await findRecord(change);
  const attributes = entry === undefined ? fromConfig(change) : parseRecord(entry);
  return {
    key: entry?.key ?? `${prefix}${upstream}/${server}`,
    value: JSON.stringify(withWeight(attributes, weight)),
    options: {
      cas: entry?.modifyIndex ?? 0,
      ...(entry === undefined ? {} : { flags: entry.flags }),
    },
  };
}

function fromConfig(change: WeightChange): Record<string, unknown> {
  const { server, upstream, configured } = change;
  if (configured === undefined) {
    throw new SluiceError('not_found', `server ${server}: no record in upstream "${upstream}"`);
  }
  // A record takes the place of the file's line. One that cannot say the same must not be made.
  if (configured.down) throw inFile(change, 'has "down: on"');
  if (configured.failTimeoutMs % 1000 !== 0) {
    throw inFile(change, 'has a fail_timeout that is not in whole seconds, as a record needs it');
  }
  return recordOf(configured);
}

function inFile({ server, upstream }: WeightChange, what: string): SluiceError {
  return new SluiceError(
    'conflict',
    `server ${server} of upstream "${upstream}": ${what} in the config file and no record in the registry; change its weight in the file`,
  );
}

/** Takes the place of a weight in any spelling: upper and lower case do not matter in a record. */
function withWeight(attributes: Record<string, unknown>, weight: number): Record<string, unknown> {
  const changed = Object.fromEntries(
    Object.entries(attributes).filter(([name]) => name.toLowerCase() !== 'weight'),
  );
  return { weight, ...changed };
}
