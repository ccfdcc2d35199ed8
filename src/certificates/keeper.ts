// The certificates of all listeners while the program runs: read before a configuration is put in force, watched, and
// handed on when they change. A pair that cannot be used is said, and the last good one stays.

import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { SluiceError } from '../base/errors.ts';
import { FileWatch } from '../base/file-watch.ts';
import type { Log } from '../base/log.ts';
import type { ListenerConfig } from '../config.ts';
import type { CertificateFacts, TlsCredentials } from '../model.ts';
import { type ReadListeners, readListeners } from './read-listeners.ts';
import { TicketKeys } from './ticket-keys.ts';

export type CertificateKeeperOptions = {
  readonly stateDir: string;
  readonly log: Log;
  /** Other certificates or keys of tickets from now on. */
  readonly onChange: (credentials: TlsCredentials) => void;
};

/** What was read for a configuration that is not in force yet. */
export type PreparedCertificates = {
  readonly listen: readonly ListenerConfig[];
  readonly read: ReadListeners;
};

/** Warnings, such as of a certificate that ends soon, are said again, ms. */
const SAID_AGAIN_MS = 86_400_000;
const TIMER_MAX_MS = 3_600_000;

export class CertificateKeeper {
  readonly #options: CertificateKeeperOptions;
  #listen: readonly ListenerConfig[] = [];
  #listeners: TlsCredentials['listeners'] = {};
  #facts: readonly CertificateFacts[] = [];
  /** Undefined as long as no listener has TLS. */
  #tickets: TicketKeys | undefined;
  #watches: FileWatch[] = [];
  #files: readonly string[] = [];
  /** Of the files, as they were when they were read. */
  #stamp = '';
  #readMs = 0;
  #trouble = '';
  #said = '';
  #saidMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CertificateKeeperOptions) {
    this.#options = options;
  }

  get credentials(): TlsCredentials {
    return { listeners: this.#listeners, ticketKeys: this.#tickets?.keys ?? [] };
  }

  get facts(): readonly CertificateFacts[] {
    return this.#facts;
  }

  /** @throws config_invalid, a line for each file that cannot be used */
  prepare(listen: readonly ListenerConfig[]): PreparedCertificates {
    const read = readListeners(listen);
    if (read.problems.length === 0) return { listen, read };
    throw new SluiceError('config_invalid', read.problems.join('\n'));
  }

  /** The configuration is in force from now on. */
  use({ listen, read }: PreparedCertificates): void {
    this.#listen = listen.filter(({ tls }) => tls !== undefined);
    this.#trouble = '';
    this.#take(read);
    if (this.#listen.length > 0 && this.#tickets === undefined) {
      const file = join(this.#options.stateDir, 'tls-ticket-keys.json');
      this.#tickets = new TicketKeys(file, this.#options.log, Date.now());
      this.#schedule();
    }
    this.#watch();
    this.#options.onChange(this.credentials);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const watch of this.#watches) watch.close();
    this.#watches = [];
  }

  #take({ credentials, facts, warnings }: ReadListeners): void {
    this.#listeners = credentials;
    this.#facts = facts;
    this.#warn(warnings);
  }

  #warn(warnings: readonly string[]): void {
    const said = warnings.join('\n');
    const nowMs = performance.now();
    if (said === this.#said && nowMs - this.#saidMs < SAID_AGAIN_MS) return;
    this.#said = said;
    this.#saidMs = nowMs;
    for (const problem of warnings) this.#options.log.warn({ problem }, 'certificate');
  }

  #watch(): void {
    for (const watch of this.#watches) watch.close();
    const files = this.#listen.flatMap(({ tls }) =>
      tls === undefined
        ? []
        : [...tls.certificates.flatMap(({ cert, key }) => [cert, key]), tls.clientCa],
    );
    this.#files = [...new Set(files.filter((file) => file !== ''))];
    const byFolder = new Map(this.#files.map((file) => [dirname(file), file]));
    this.#watches = [...byFolder.values()].map((file) => new FileWatch(file, () => this.#look()));
  }

  /** Called every other second: what has not changed is not read. */
  #look(): void {
    const { log, onChange } = this.#options;
    const stamp = this.#files.map(stampOf).join('\n');
    const nowMs = performance.now();
    if (stamp === this.#stamp && nowMs - this.#readMs < SAID_AGAIN_MS) return;
    this.#stamp = stamp;
    this.#readMs = nowMs;
    const read = readListeners(this.#listen);
    const trouble = read.problems.join('\n');
    if (trouble !== this.#trouble) {
      this.#trouble = trouble;
      for (const problem of read.problems) {
        log.warn({ problem }, 'new certificate not used, the old one stays');
      }
    }
    // Those of a listener are of one moment: a new certificate without its key is no pair.
    const listeners = { ...this.#listeners, ...read.credentials };
    if (isDeepStrictEqual(listeners, this.#listeners)) return this.#warn(read.warnings);
    const changed = Object.keys(listeners).filter(
      (id) => !isDeepStrictEqual(listeners[id], this.#listeners[id]),
    );
    const kept = this.#facts.filter(({ listener }) => read.credentials[listener] === undefined);
    const fresh = read.facts.filter(({ listener }) => read.credentials[listener] !== undefined);
    this.#take({ ...read, credentials: listeners, facts: [...fresh, ...kept] });
    log.info({ listeners: changed }, 'certificates read again');
    onChange(this.credentials);
  }

  #schedule(): void {
    const dueMs = Math.min(TIMER_MAX_MS, this.#tickets?.dueInMs(Date.now()) ?? TIMER_MAX_MS);
    this.#timer = setTimeout(() => {
      if (this.#tickets?.rotate(Date.now()) === true) this.#options.onChange(this.credentials);
      this.#schedule();
    }, dueMs).unref();
  }
}

/** Another one when the file, or what a link leads to, is another. */
function stampOf(file: string): string {
  try {
    const { ino, mtimeNs, size } = statSync(file, { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch {
    return '';
  }
}
