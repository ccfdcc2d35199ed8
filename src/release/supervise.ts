// Supervision: what `sluice serve` does for instances of driver `command` on its own machine. One whose
// record says that it runs, and that does not, is started again by what the record holds: after a
// crash, and after a reboot. Not one that a release or a person holds, and not one that was stopped: its
// record says so. systemd, docker and pm2 look after their instances themselves.
//
//   ended                  start again after 1 s, 2 s, 4 s … 60 s
//   ran for 60 s           the count begins anew
//   10 times in a row      given up, until somebody deploys

import { isSluiceError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ServiceConfig, ServiceInstance } from '../config.ts';
import { type Driver, driverOf, type Started } from './drivers.ts';
import { readRecord, writeRecord } from './journal/instance-record.ts';
import { claimRestart } from './journal/restart-claim.ts';

const LOOK_EVERY_MS = 1000;
const DELAY_MIN_MS = 1000;
const DELAY_MAX_MS = 60_000;
const STABLE_MS = 60_000;
const RESTARTS_MAX = 10;

/** What is said of an instance in the status. */
export type Supervised = {
  /** Since we began to look after it. */
  readonly restarts: number;
  /** How it ended last, in words; '' = it has not. */
  readonly lastExit: string;
  readonly lastExitMs: number;
  /** Why it is not started again now; '' normally. */
  readonly resting: string;
};

export type SupervisorOptions = {
  /** Upstream and id: somebody has taken the server out of traffic. */
  readonly isHeld: (upstream: string, server: string) => boolean;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly lookEveryMs?: number;
  readonly delayMinMs?: number;
};

type Watched = {
  readonly service: ServiceConfig;
  readonly instance: ServiceInstance;
  driver: Driver;
  /** The run that its restarts in a row belong to: a deploy begins another. */
  process: Started | null;
  startedMs: number;
  inARow: number;
  nextMs: number;
  said: Supervised;
};

const NOTHING: Supervised = { restarts: 0, lastExit: '', lastExitMs: 0, resting: '' };

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #watched = new Map<string, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Those of the configuration in force; what is known of an instance stays. */
  setServices(services: readonly ServiceConfig[]): void {
    const before = new Map(this.#watched);
    this.#watched.clear();
    for (const service of services) {
      if (service.driver !== 'command' || !service.isSupervised) continue;
      for (const instance of service.instances) {
        if (service.hosts.get(instance.hostName)?.ssh != null) continue;
        const key = `${service.name} ${instance.id}`;
        const driver = driverOf(service, instance);
        const known = before.get(key) ?? {
          process: null,
          startedMs: 0,
          inARow: 0,
          nextMs: 0,
          said: NOTHING,
        };
        this.#watched.set(key, { ...known, service, instance, driver });
      }
    }
    if (this.#timer === undefined && this.#watched.size > 0 && !this.#isClosed) this.#later();
  }

  /** Undefined of a server that we do not look after. */
  of(upstream: string, server: string): Supervised | undefined {
    for (const { service, instance, said } of this.#watched.values()) {
      if (service.upstream === upstream && instance.id === server) return said;
    }
    return undefined;
  }

  /** What is being started is started; nothing is after it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #later(): void {
    this.#timer = setTimeout(() => {
      this.#looking = this.#lookAll().finally(() => {
        if (!this.#isClosed) this.#later();
      });
    }, this.#options.lookEveryMs ?? LOOK_EVERY_MS);
    this.#timer.unref();
  }

  async #lookAll(): Promise<void> {
    for (const watched of this.#watched.values()) {
      if (this.#isClosed) return;
      try {
        await this.#look(watched);
      } catch (error) {
        this.#rest(watched, messageOf(error));
      }
    }
  }

  async #look(watched: Watched): Promise<void> {
    const { service, instance, driver } = watched;
    const { process, proven } = await readRecord(service, instance.id, driver);
    if (process === null) {
      watched.process = null;
      return this.#rest(watched, '');
    }
    const nowMs = performance.now();
    if (keyOf(watched.process) !== keyOf(process)) {
      watched.process = process;
      watched.startedMs = nowMs;
      watched.inARow = 0;
      watched.nextMs = 0;
    }
    const { ended } = await driver.state(process.handle);
    if (ended === '') {
      if (nowMs - watched.startedMs >= STABLE_MS) watched.inARow = 0;
      return this.#rest(watched, '');
    }
    if (watched.nextMs === 0) this.#ended(watched, ended);
    if (watched.inARow >= RESTARTS_MAX) {
      return this.#rest(
        watched,
        `given up after ${RESTARTS_MAX} restarts in a row; deploy it again`,
      );
    }
    if (this.#options.isHeld(service.upstream, instance.id)) {
      return this.#rest(watched, 'it is held out of traffic');
    }
    if (performance.now() < watched.nextMs) return;
    const done = await claimRestart(service);
    if (done === null) return this.#rest(watched, 'a release is at work');
    try {
      await this.#restart(watched, process, proven);
    } finally {
      await done();
    }
  }

  async #restart(
    watched: Watched,
    process: Started,
    proven: Parameters<typeof writeRecord>[2]['proven'],
  ): Promise<void> {
    const { service, instance, driver } = watched;
    const { id } = instance;
    // A release may have ended between our look and our claim.
    const now = await readRecord(service, id, driver);
    if (now.process === null || keyOf(now.process) !== keyOf(process)) return;
    // What it has left running has the port, and may serve: that is for a release to end.
    if ((await driver.find(process)) !== null) {
      return this.#rest(watched, 'what it has started still runs; deploy it again');
    }
    const stranger = await driver.stranger(null, instance.address.port);
    if (stranger !== '') return this.#rest(watched, `its port is held by ${stranger}`);
    watched.inARow += 1;
    watched.nextMs = performance.now() + this.#delayMs(watched.inARow);
    let started: Started;
    try {
      started = await driver.start(process.launch, process.release);
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      return this.#rest(watched, error.message);
    }
    await writeRecord(service, id, { process: started, proven });
    watched.process = started;
    watched.startedMs = performance.now();
    watched.nextMs = 0;
    watched.said = { ...watched.said, restarts: watched.said.restarts + 1, resting: '' };
    const { restarts, lastExit } = watched.said;
    const fields = { service: service.name, instance: id, restarts, lastExit };
    this.#options.log.warn(fields, 'instance started again');
  }

  /** Seen for the first time that this run is over. */
  #ended(watched: Watched, ended: string): void {
    watched.nextMs = performance.now() + this.#delayMs(watched.inARow);
    watched.said = { ...watched.said, lastExit: ended, lastExitMs: Date.now() };
    const { service, instance } = watched;
    const fields = { service: service.name, instance: instance.id, ended };
    this.#options.log.warn(fields, 'instance ended');
  }

  #delayMs(inARow: number): number {
    const { delayMinMs = DELAY_MIN_MS } = this.#options;
    return Math.min(DELAY_MAX_MS, delayMinMs * 2 ** inARow);
  }

  /** Said in the status; in the log once. */
  #rest(watched: Watched, resting: string): void {
    const { said, service, instance } = watched;
    if (said.resting === resting) return;
    watched.said = { ...said, resting };
    if (resting === '') return;
    const fields = { service: service.name, instance: instance.id, reason: resting };
    this.#options.log.info(fields, 'instance is not started again');
  }
}

function keyOf(process: Started | null): string {
  return process === null ? '' : JSON.stringify(process.handle);
}
