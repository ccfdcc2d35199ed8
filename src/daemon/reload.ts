// Puts a configuration in force: the first one, on parts that have no upstreams, routes and workers yet,
// and every later one, while requests are in flight. What is known of a server stays with its id, what
// is in flight ends where it is, and a worker takes routes, settings and upstreams in one step. What
// cannot change while the daemon runs keeps its value, and that is said.

import { processDescriptors } from '../base/descriptors.ts';
import { SluiceError } from '../base/errors.ts';
import type { Log, RootLog } from '../base/log.ts';
import type { Config, ListenerConfig, UpstreamConfig } from '../config.ts';
import type { Memberships } from '../control.ts';
import { descriptorsFor, socketRoom } from '../gateway.ts';
import { type ConfigChanges, compareConfigs } from './config-changes.ts';
import type { Parts } from './parts.ts';

/** The addresses of servers given by name may take so long, ms. */
const NAMES_DEADLINE_MS = 2000;

export type Applied = Omit<ConfigChanges, 'effective'> & {
  /** Of the table that the configuration came with. */
  readonly generation: number;
};

export class LiveConfig {
  readonly #parts: Parts;
  readonly #log: Log | RootLog;
  #config: Config | undefined;
  #isClosed = false;
  /** One at a time, in the order in which they came. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: Parts, log: Log | RootLog) {
    this.#parts = parts;
    this.#log = log;
  }

  /** Undefined before the first. */
  get config(): Config | undefined {
    return this.#config;
  }

  /** What comes from now on, or waits, is refused. */
  close(): void {
    this.#isClosed = true;
  }

  /** Resolves when it is on its way to every worker. @throws conflict, after `close` */
  applyConfig(next: Config): Promise<Applied> {
    const applied = this.#last.then(() => this.#apply(next));
    this.#last = applied.catch(() => {});
    return applied;
  }

  /** What `applyConfig` would change; nothing is. @throws as it does */
  async compare(next: Config): Promise<Applied> {
    const { certificates, sockets, table } = this.#parts;
    certificates.prepare(next.gateway);
    (await sockets.prepare(next.gateway.listen)).abandon();
    const { effective: _, ...changes } = compareConfigs(this.#config, next);
    return { ...changes, generation: table.generation };
  }

  async #apply(next: Config): Promise<Applied> {
    const { table, names, fleet, sockets, certificates } = this.#parts;
    const { upstreams } = next;
    const certified = certificates.prepare(next.gateway);
    await names.expect(hostsOf(upstreams, table.memberships), NAMES_DEADLINE_MS);
    const prepared = await sockets.prepare(next.gateway.listen);
    if (this.#isClosed) {
      prepared.abandon();
      throw new SluiceError('conflict', 'configuration: not applied, sluice is shutting down');
    }
    // Nothing is awaited from here on: table and workers change in one turn.
    const { effective, ...changes } = compareConfigs(this.#config, next);
    const isFirst = this.#config === undefined;
    this.#config = effective;
    if ('setLevel' in this.#log) this.#log.setLevel(effective.logLevel);
    if (changes.keys.includes('limits.max_connections')) warnOfClients(effective, this.#log);
    certificates.use(certified);
    const tableChanges = table.setUpstreams(upstreams);
    prepared.commit();
    fleet.configure(workerConfig(effective, prepared.addresses), tableChanges, {
      ...{ workers: effective.workers, added: prepared.added },
    });
    this.#parts.useTokens(effective.admin);
    this.#parts.follow(effective.upstreams);
    this.#parts.supervise(next.services);
    this.#parts.changed(tableChanges);
    const applied = { ...changes, generation: table.generation };
    if (!isFirst) this.#say(applied);
    return applied;
  }

  #say({ upstreams, keys, kept, generation }: Applied): void {
    this.#log.info({ generation, keys, ...upstreams }, 'configuration applied');
    for (const { key, reason } of kept) {
      this.#log.warn({ key, reason }, 'setting keeps its value until sluice is started again');
    }
  }
}

function workerConfig(config: Config, listen: readonly ListenerConfig[]) {
  const { logLevel, gateway, routes, shutdownTimeoutMs, orphanTimeoutMs } = config;
  return {
    ...{ logLevel, gateway: { ...gateway, listen }, routes },
    ...{ shutdownTimeoutMs, orphanTimeoutMs },
  };
}

/** Of all servers that these upstreams will have. */
function hostsOf(upstreams: readonly UpstreamConfig[], memberships: Memberships): Set<string> {
  const hosts = new Set<string>();
  for (const { name, servers, follows } of upstreams) {
    const instances = follows.flatMap(
      ({ registry }) => memberships.get(registry)?.services.get(name) ?? [],
    );
    for (const { host } of [...servers, ...instances]) hosts.add(host);
  }
  return hosts;
}

/** Each worker has the limit of open files that we have; a promise that it cannot keep is said now. */
function warnOfClients({ gateway }: Config, log: Log): void {
  const wanted = gateway.limits.connectionsMax;
  const descriptorsMax = processDescriptors.max();
  const clientsMax = socketRoom(descriptorsMax).clients;
  if (wanted <= clientsMax) return;
  log.warn(
    { maxConnections: wanted, clientsMax, descriptorsMax, needed: descriptorsFor(wanted) },
    'max_connections cannot hold: each worker turns clients away from clientsMax on; raise the limit of open files (ulimit -n; systemd: LimitNOFILE=) to needed, or lower max_connections',
  );
}
