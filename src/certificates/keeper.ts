// The certificates of all listeners while the program runs: read before a configuration is put in force, watched, and
// handed on when they change. A pair that cannot be used is said, and the last good one stays.

import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { SluiceError } from '../base/errors.ts';
import { FileWatch } from '../base/file-watch.ts';
import type { Log } from '../base/log.ts';
import type { GatewayConfig } from '../config.ts';
import type { CertificateFacts, TlsCredentials } from '../model.ts';
import { type ReadListeners, readListeners } from './read-listeners.ts';
import { type ReadUpstreams, readUpstreams } from './read-upstreams.ts';
import { TicketKeys } from './ticket-keys.ts';

export type CertificateKeeperOptions = {
  readonly stateDir: string;
  readonly log: Log;
  /** Other certificates or keys of tickets from now on. */
  readonly onChange: (credentials: TlsCredentials) => void;
};

/** What was read for a configuration that is not in force yet. */
export type PreparedCertificates = {
  readonly settings: Secured;
  readonly read: ReadListeners;
  readonly upstreams: ReadUpstreams;
};

/** Who speaks TLS. */
type Secured = Pick<GatewayConfig, 'listen' | 'upstreamTls'>;

/** Warnings, such as of a certificate that ends soon, are said again, ms. */
const SAID_AGAIN_MS = 86_400_000;
const TIMER_MAX_MS = 3_600_000;

export class CertificateKeeper {
  readonly #options: CertificateKeeperOptions;
  #settings: Secured = { listen: [], upstreamTls: {} };
  #listeners: TlsCredentials['listeners'] = {};
  #upstreams: TlsCredentials['upstreams'] = {};
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
    return {
      listeners: this.#listeners,
      upstreams: this.#upstreams,
      ticketKeys: this.#tickets?.keys ?? [],
    };
  }

  get facts(): readonly CertificateFacts[] {
    return this.#facts;
  }

  /** @throws config_invalid, a line for each file that cannot be used */
  prepare(settings: Secured): PreparedCertificates {
    const read = readListeners(settings.listen);
    const upstreams = readUpstreams(settings.upstreamTls);
    const problems = [...read.problems, ...upstreams.problems];
    if (problems.length === 0) return { settings, read, upstreams };
    throw new SluiceError('config_invalid', problems.join('\n'));
  }

  /** The configuration is in force from now on. */
  use({ settings, read, upstreams }: PreparedCertificates): void {
    const listen = settings.listen.filter(({ tls }) => tls !== undefined);
    this.#settings = { listen, upstreamTls: settings.upstreamTls };
    this.#trouble = '';
    this.#upstreams = upstreams.credentials;
    this.#take(read, upstreams.warnings);
    if (listen.length > 0 && this.#tickets === undefined) {
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

  #take({ credentials, facts, warnings }: ReadListeners, others: readonly string[]): void {
    this.#listeners = credentials;
    this.#facts = facts;
    this.#warn([...warnings, ...others]);
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
    const files = filesOf(this.#settings);
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
    const read = readListeners(this.#settings.listen);
    const others = readUpstreams(this.#settings.upstreamTls);
    const problems = [...read.problems, ...others.problems];
    const trouble = problems.join('\n');
    if (trouble !== this.#trouble) {
      this.#trouble = trouble;
      for (const problem of problems) {
        log.warn({ problem }, 'new certificate not used, the old one stays');
      }
    }
    // Those of a listener are of one moment: a new certificate without its key is no pair.
    const listeners = { ...this.#listeners, ...read.credentials };
    const upstreams = { ...this.#upstreams, ...others.credentials };
    const changedUpstreams = Object.keys(upstreams).filter(
      (name) => !isDeepStrictEqual(upstreams[name], this.#upstreams[name]),
    );
    if (changedUpstreams.length === 0 && isDeepStrictEqual(listeners, this.#listeners)) {
      return this.#warn([...read.warnings, ...others.warnings]);
    }
    this.#upstreams = upstreams;
    const changed = Object.keys(listeners).filter(
      (id) => !isDeepStrictEqual(listeners[id], this.#listeners[id]),
    );
    const kept = this.#facts.filter(({ listener }) => read.credentials[listener] === undefined);
    const fresh = read.facts.filter(({ listener }) => read.credentials[listener] !== undefined);
    const facts = [...fresh, ...kept];
    this.#take({ ...read, credentials: listeners, facts }, others.warnings);
    const said = { listeners: changed, upstreams: changedUpstreams };
    log.info(said, 'certificates read again');
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

function filesOf({ listen, upstreamTls }: Secured): string[] {
  const listeners = listen.flatMap(({ tls }) =>
    tls === undefined
      ? []
      : [...tls.certificates.flatMap(({ cert, key }) => [cert, key]), tls.clientCa],
  );
  return [
    ...listeners,
    ...Object.values(upstreamTls).flatMap(({ ca, cert, key }) => [ca, cert, key]),
  ];
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
