// Where the records are, below the prefix of the gateways:
//
//   releases/locks/<service>                     the lock; never deleted, or its fence would start again
//   releases/history/<service>/<release>         what the release was and how it ended
//   releases/journals/<service>/<release>/<seq>  one record of its journal
//   releases/instances/<service>/<instance>      what runs there, and what it is brought back to
//
// The locks stand apart: every gateway watches them, and must not be woken by the journals.

/** Of a sequence number, so that keys sort as numbers do. */
const DIGITS = 7;

/** Configurations are kept there, with what is in an `env`: not for everybody who may look. */
export function holdsConfiguration(prefix: string, key: string): boolean {
  const keys = new LedgerKeys(prefix);
  return key.startsWith(keys.journals) || key.startsWith(keys.instances);
}

export class LedgerKeys {
  readonly locks: string;
  /** What runs where, of all services: every gateway reads the versions there. */
  readonly instances: string;
  readonly journals: string;
  readonly #prefix: string;

  /** `prefix` ends with a slash. */
  constructor(prefix: string) {
    this.#prefix = `${prefix}releases/`;
    this.locks = `${this.#prefix}locks/`;
    this.journals = `${this.#prefix}journals/`;
    this.instances = `${this.#prefix}instances/`;
  }

  lock(service: string): string {
    return `${this.locks}${service}`;
  }

  /** The summaries of all services. */
  get histories(): string {
    return `${this.#prefix}history/`;
  }

  history(service: string, release = ''): string {
    return `${this.histories}${service}/${release}`;
  }

  /** All records of the release. */
  journal(service: string, release: string): string {
    return `${this.journals}${service}/${release}/`;
  }

  record(service: string, release: string, seq: number): string {
    return `${this.journal(service, release)}${String(seq).padStart(DIGITS, '0')}`;
  }

  instance(service: string, instance = ''): string {
    return `${this.instances}${service}/${instance}`;
  }
}
