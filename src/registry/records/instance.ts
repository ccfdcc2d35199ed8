// What the registry says about one server, read from a record `upstreams/<name>/<host:port>`.

import type { RecordAttributes } from '../../model.ts';

export type Instance = RecordAttributes & {
  /** `host:port`: the last segment of the key, canonical. */
  readonly id: string;
  readonly service: string;
  readonly host: string;
  readonly port: number;
  /** Its `down` was written together with an intent, and ends with it. */
  readonly isIntentDown?: boolean;
};

/** A record that could not be taken as it is: reported by name, its neighbours untouched. */
export type RecordProblem = {
  /** Whose list it concerns; '' when the key does not say. */
  readonly service: string;
  /** `host:port`; '' when it concerns the whole list, or the key names no server. */
  readonly server: string;
  readonly key: string;
  readonly message: string;
};

/** A record as far as it describes a server. */
export type RecordText = { readonly key: string; readonly value: Uint8Array };

/** Which instances exist, after last-good and the brake were applied. */
export type Membership = {
  readonly index: number;
  /** By service name; instances in byte order of their keys. */
  readonly services: ReadonlyMap<string, readonly Instance[]>;
  readonly problems: readonly RecordProblem[];
  /** Services whose list vanished and is held at its last good state. */
  readonly held: readonly string[];
};
