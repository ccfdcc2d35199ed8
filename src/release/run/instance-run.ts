// The state of one instance under release, and the small things that every step does with it: save
// the record, look at the server, change its admin state, say what is waited for. It decides nothing:
// what a step's end means is in release-instance.ts and go-back.ts.

import { isSluiceError, messageOf } from '../../base/errors.ts';
import type { Address } from '../../base/units.ts';
import type { ServiceConfig } from '../../config.ts';
import type { AdminState } from '../../model.ts';
import type { PoolServer } from '../control.ts';
import { type Driver, driverOf, type Started } from '../drivers.ts';
import type { Facts } from '../events.ts';
import { type Host, type HostClaim, hostOf, type KeeperOrder } from '../hosts.ts';
import { type InstanceRecord, recordContent, writeContent } from '../journal/instance-record.ts';
import type { InstancePlan } from '../plan.ts';
import type { InstanceSurvey } from '../survey.ts';
import { type Release, type Settled, troubleOf } from './release.ts';

export class InstanceRun {
  readonly release: Release;
  readonly plan: InstancePlan;
  readonly found: InstanceSurvey;
  readonly startedMs = performance.now();
  readonly driver: Driver;
  /** The guard has given us the server. */
  isHeld = false;
  /** The server's record is ours: written by this release, and gone when it undoes that. */
  isRegistered = false;
  /** The old process was told to stop, or a new one judged: there is no way back from there. */
  isTouched = false;
  /** It had been released, and failed: it is taken out again whatever became of the others. */
  isTakenBack = false;
  /** Time already spent waiting for the guard, ms. */
  guardWaitedMs = 0;
  /** Says what is waited for; the step under way sets it. */
  wait: (facts: Facts) => void = () => {};
  #record: InstanceRecord;

  private constructor(
    release: Release,
    plan: InstancePlan,
    found: InstanceSurvey,
    driver: Driver,
    record: InstanceRecord,
  ) {
    this.release = release;
    this.plan = plan;
    this.found = found;
    this.driver = driver;
    this.#record = record;
  }

  /** What serves now is what a revert brings back: written down while nothing has changed yet. */
  static async open(
    release: Release,
    plan: InstancePlan,
    found: InstanceSurvey,
  ): Promise<InstanceRun> {
    const { process } = found;
    const host = hostOf(release.service, found);
    const driver = driverOf(release.service, found, host, release.claimOn(host));
    const proven = plan.serving && process !== null ? process.launch : found.record.proven;
    const run = new InstanceRun(release, plan, found, driver, { process, proven });
    await run.save({});
    return run;
  }

  get service(): ServiceConfig {
    return this.release.service;
  }

  get instance(): string {
    return this.plan.instance;
  }

  get address(): Address {
    return this.found.address;
  }

  get host(): Host {
    return hostOf(this.service, this.found);
  }

  get record(): InstanceRecord {
    return this.#record;
  }

  /** What runs now; null when nothing does. */
  get process(): Started | null {
    return this.#record.process;
  }

  /** How what was running ended, in words; '' while it runs, and when nothing did. */
  async ended(): Promise<string> {
    return this.process === null ? '' : (await this.driver.state(this.process.handle)).ended;
  }

  /** Its last lines, as the evidence of a failure. */
  async logEvidence(): Promise<readonly string[]> {
    if (this.process === null) return [];
    try {
      const lines = await this.driver.logs(this.process.handle);
      return lines.map((line) => `app log: ${line}`);
    } catch (error) {
      if (isSluiceError(error)) return []; // Its host cannot be asked.
      throw error;
    }
  }

  /** What is changed on the host is changed under it: a later release may have taken it over. */
  get claim(): HostClaim | undefined {
    return this.release.claimOn(this.host);
  }

  /** Says that we are at work there, before something that cannot be under the claim. @throws locked */
  async claimHost(): Promise<void> {
    const { claim, host } = this;
    if (claim !== undefined) await host.claim(claim.folder, claim.fence);
  }

  /** For who starts it again when it ends. Never throws: what a release does, does not depend on it. */
  async keep(order: KeeperOrder, holdMs = 0): Promise<void> {
    try {
      await this.driver.keep?.(order, { fence: this.release.fence, holdMs });
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      await this.note({ restarts: order, trouble: messageOf(error) });
    }
  }

  /** Never throws: a full disk is dealt with at the end of the instance. */
  async save(change: Partial<InstanceRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    const record = this.#record;
    const { hostName } = this.found;
    const content = recordContent(this.service, this.instance, record, hostName);
    await this.release.keep(() => writeContent(this.service, this.instance, content));
    this.release.shareInstance(this.instance, content);
  }

  /** The server now; it waits while the control plane is away. Undefined when it is gone. */
  async server(): Promise<PoolServer | undefined> {
    return (await this.release.servers()).find(({ id }) => id === this.instance);
  }

  /** The same without waiting: undefined also while the control plane cannot be asked. */
  async serverNow(): Promise<PoolServer | undefined> {
    return (await this.release.serversNow())?.find(({ id }) => id === this.instance);
  }

  /** Changes the server's admin state while it is ours. Why not, or ''. */
  setAdmin(state: AdminState, reason: string): Promise<string> {
    const { control, owner } = this.release;
    const change = { state, owner, reason, ifOwner: owner };
    return troubleOf(() => control.setAdmin(this.service.upstream, this.instance, change));
  }

  note(facts: Facts): Promise<void> {
    return this.release.write({ kind: 'note', instance: this.instance, data: facts });
  }

  settle(outcome: Settled['outcome'], note: string, runs?: string): void {
    const settled = { outcome, note, ...(runs === undefined ? {} : { runs }) };
    this.release.settle(this.instance, settled, performance.now() - this.startedMs);
  }
}
