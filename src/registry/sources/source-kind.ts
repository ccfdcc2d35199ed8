// What there is to know about one kind of registry. A new kind is a file beside this one with such a
// value, a line in ../sources.ts and an entry in config/sections/registry.ts; whatever is forgotten of
// that does not compile.

import type { ListeningSocket } from '../../base/listening.ts';
import type { Log } from '../../base/log.ts';
import type { Address } from '../../base/units.ts';
import type { ReadDocument } from '../file.ts';
import type { MembershipSource } from '../membership-source.ts';
import type { RecordStore } from '../record-store.ts';

export type OpenContext = {
  readonly log: Log;
  /** Of the records, where the source has records; ends with a slash. */
  readonly prefix: string;
  /** How a source reads YAML or JSON, with the places of what is wrong in it. */
  readonly readDocument: ReadDocument;
  /** Where the dashboard is for who asked for this host; '' = there is none yet. */
  readonly dashboard: (host: string) => string;
  /** The registry's own listening socket, of the process before. */
  readonly inherited?: ListeningSocket | undefined;
};

/** A source of servers as the daemon uses it. */
export type OpenedSource = {
  /** Undefined: the servers come from the config file alone. */
  readonly source: MembershipSource | undefined;
  /** Undefined: the servers cannot be written from here. */
  readonly store: RecordStore | undefined;
  /** Records of the gateways that follow it; often its own store. Undefined: it keeps none. */
  readonly meeting: RecordStore | undefined;
  /** Where the embedded registry's API listens. */
  readonly address: Address | undefined;
  /** The same, for the next process. */
  readonly listening?: ListeningSocket | undefined;
  /** Nobody new comes to its own API; who is connected is answered. */
  stopAccepting?(): void;
  close(): Promise<void>;
};

export type SourceKind<Settings> = {
  /** What it is and where, in a few words. */
  describe(settings: Settings): string;
  /** What other gateways may follow as well, `the Consul at …`; '' when none can. */
  shared(settings: Settings): string;
  /** The settings as they may be shown. */
  withoutSecrets(settings: Settings): Settings;
  /** Reads the files that the settings name, before anything is opened. @throws config_invalid */
  checkFiles(settings: Settings): void;
  /** Its records for another process than the daemon; undefined when it has none. */
  openStore(settings: Settings, log: Log): RecordStore | undefined;
  /** Opens it for the daemon. What was opened before a failure is closed again. */
  open(settings: Settings, context: OpenContext): Promise<OpenedSource>;
};
