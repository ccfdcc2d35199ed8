// What a model of releases is about: instances whose processes are data, the pool that they are in, and what
// must always hold. Whatever changes it comes through here, and what must not happen is written down.

import type { PoolServer } from '../../../../src/release.ts';

/** How a version behaves, by the word behind the dash of its name. */
export type Kind = 'good' | 'late' | 'dies' | 'never' | 'sick' | 'wrong' | 'stubborn' | 'slow';

export type ModelProcess = {
  readonly pid: number;
  readonly instance: string;
  readonly version: string;
  readonly kind: Kind;
  readonly env: Readonly<Record<string, string>>;
  readonly listensMs: number;
  endMs: number;
  isTold: boolean;
};

export type ModelServer = {
  admin: PoolServer['admin'];
  /** When it got that admin state. */
  sinceMs: number;
  forced: '' | 'down';
  /** When that changed. */
  forcedMs: number;
  idleAtMs: number;
};

/** A person's act may cross one of the release; what was known for so long is known, ms. */
export const CROSSING_MS = 1500;
const READY: PoolServer['admin'] = { state: 'ready', owner: '', reason: '', sinceMs: 0 };

export class World {
  readonly servers = new Map<string, ModelServer>();
  readonly processes: ModelProcess[] = [];
  readonly violations: string[] = [];
  readonly log: string[] = [];
  readonly need: number;
  readonly now: () => number;
  readonly random: () => number;
  /** When something changed last that a survey would see, other than by a release. */
  changedMs = 0;
  /** The highest fence that was on the host. */
  fence = 0;
  isAway = false;
  isPartial = false;
  isSettled = true;

  constructor(given: {
    readonly instances: readonly string[];
    readonly need: number;
    readonly now: () => number;
    readonly random: () => number;
  }) {
    this.need = given.need;
    this.now = given.now;
    this.random = given.random;
    for (const id of given.instances) {
      this.servers.set(id, { admin: READY, sinceMs: 0, forced: '', forcedMs: 0, idleAtMs: 0 });
    }
  }

  say(text: string): void {
    this.log.push(`${(this.now() / 1000).toFixed(3)} ${text}`);
  }

  violated(what: string): void {
    this.say(`!!! ${what}`);
    this.violations.push(what);
  }

  server(id: string): ModelServer {
    const server = this.servers.get(id);
    if (server === undefined) throw new Error(`no server ${id}`);
    return server;
  }

  alive(id: string): ModelProcess | undefined {
    return this.processes.find((one) => one.instance === id && this.isAlive(one));
  }

  isAlive({ endMs }: ModelProcess): boolean {
    return this.now() < endMs;
  }

  listening(id: string): ModelProcess | undefined {
    const process = this.alive(id);
    return process !== undefined && this.now() >= process.listensMs ? process : undefined;
  }

  /** The version that answers well there, '' when none does. */
  answers(id: string): string {
    const process = this.listening(id);
    if (process === undefined || process.kind === 'sick') return '';
    return process.kind === 'wrong' ? 'v0-other' : process.version;
  }

  isUp(id: string): boolean {
    return this.server(id).forced === '' && this.answers(id) !== '';
  }

  isEligible(id: string): boolean {
    return this.server(id).admin.state === 'ready' && this.isUp(id);
  }

  eligible(but = ''): number {
    return [...this.servers.keys()].filter((id) => id !== but && this.isEligible(id)).length;
  }

  setAdmin(id: string, admin: PoolServer['admin']): void {
    const server = this.server(id);
    server.admin = admin.state === 'ready' ? READY : admin;
    server.sinceMs = this.now();
    if (admin.state !== 'ready') server.idleAtMs = this.now() + this.random() * 1200;
    if (!admin.owner.startsWith('release:')) this.changedMs = this.now();
  }

  /** A person has had it for long enough to be seen. */
  isPersons(id: string): boolean {
    const { admin, sinceMs } = this.server(id);
    return admin.owner.startsWith('user:') && this.now() - sinceMs > CROSSING_MS;
  }

  /** Something was done to the processes of an instance under this fence. */
  touched(id: string, what: string, fence: number): void {
    this.say(`${id} ${what} (fence ${fence})`);
    // While the control plane is away nobody can know.
    if (this.isPersons(id) && !this.isAway) this.violated(`${id}: ${what} while a person holds it`);
    if (fence < this.fence) {
      this.violated(`${id}: ${what} under the old fence ${fence}, after ${this.fence}`);
    }
  }

  begin(process: ModelProcess): void {
    const other = this.alive(process.instance);
    if (other !== undefined) {
      this.violated(`${process.instance}: a second process beside pid ${other.pid}`);
    }
    this.processes.push(process);
  }
}
