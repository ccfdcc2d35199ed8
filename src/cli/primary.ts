// The primary process of `sluice serve`: a daemon that another process can follow, and that may itself follow one.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { UpgradingDocument } from '../admin.ts';
import { messageOf, SluiceError } from '../base/errors.ts';
import { killProcess } from '../base/kill.ts';
import type { RootLog } from '../base/log.ts';
import type { Config } from '../config.ts';
import type { Daemon, DaemonOptions, ServiceManager, Successor } from '../daemon.ts';
import { remark, warn } from './output.ts';

export type PrimaryOptions = {
  readonly config: Config;
  readonly log: RootLog;
  readonly manager: ServiceManager;
  /** Reads the configuration again. */
  readonly load: () => Promise<Config>;
  readonly onWorkers: (finish: () => void) => void;
};

export class Primary {
  daemon: Daemon;
  readonly #options: PrimaryOptions;
  #successor: Successor | 'starting' | undefined;
  /** Of it, from its start on; 0 = there is none. */
  #successorPid = 0;
  #handingOver: Promise<void> = Promise.resolve();
  #isClosing = false;

  private constructor(options: PrimaryOptions, daemon: Daemon) {
    this.#options = options;
    this.daemon = daemon;
  }

  /** @throws what startDaemon throws; a process that waits for us is told, and goes on */
  static async start(options: PrimaryOptions): Promise<Primary> {
    const { checkFiles, Predecessor, startDaemon } = await import('../daemon.ts');
    const predecessor = Predecessor.find();
    try {
      if (predecessor !== undefined) checkFiles(options.config);
      const inherited = await predecessor?.takeOver();
      const started = Promise.withResolvers<Primary>();
      const daemon = await startDaemon(options.config, {
        ...daemonOptions(options),
        onWorkers: options.onWorkers,
        ...{ inherited, upgrade: async () => (await started.promise).upgrade() },
      });
      const primary = new Primary(options, daemon);
      started.resolve(primary);
      predecessor?.serving();
      return primary;
    } catch (error) {
      predecessor?.failed(error);
      throw error;
    }
  }

  /**
   * Starts the program that is on the disk now, with our arguments; it takes over when it has loaded everything, and
   * this process ends. Resolves when it has loaded. @throws conflict; nothing has changed then
   */
  async upgrade(): Promise<UpgradingDocument> {
    if (process.pid === 1) {
      const text =
        'upgrade: this is the first process of a container, which ends with it; start a container of the new version beside this one, on the same registry';
      throw new SluiceError('conflict', text);
    }
    if (this.#isClosing) throw new SluiceError('conflict', 'upgrade: this process is ending');
    if (this.#successor !== undefined) {
      throw new SluiceError('conflict', 'upgrade: one is under way');
    }
    this.#successor = 'starting';
    const { Successor } = await import('../daemon.ts');
    const [, file = '', ...argv] = process.argv;
    const { log, manager } = this.#options;
    try {
      const successor = await Successor.start({
        ...{ file, argv, variables: manager.variables },
        onStart: (pid) => {
          this.#successorPid = pid;
          log.info({ successor: pid }, 'upgrade: another process loads everything');
        },
      });
      this.#successor = successor;
      // The answer to whoever asked goes out first.
      this.#handingOver = nextTurn().then(() => this.#handOver(successor));
      return { pid: successor.pid };
    } catch (error) {
      this.#successor = undefined;
      this.#successorPid = 0;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#endSuccessor();
    if (typeof this.#successor === 'object') await this.#successor.end();
    // Where it goes on after all, another daemon is to be closed.
    await this.#handingOver;
    await this.daemon.close();
  }

  /** Without waiting; for a second signal, before the process exits. */
  kill(): void {
    this.#isClosing = true;
    this.#endSuccessor();
    this.daemon.kill();
  }

  /** Who asked for an end meant it, too. */
  #endSuccessor(): void {
    if (this.#successorPid === 0) return;
    killProcess(this.#successorPid);
    this.#successorPid = 0;
  }

  async #handOver(successor: Successor): Promise<void> {
    const { config } = this.daemon;
    try {
      await this.daemon.handOver(successor);
    } catch (error) {
      warn(`not upgraded, this process goes on: ${messageOf(error)}`);
      await this.#goOn(config, messageOf(error));
      return;
    }
    remark(`sluice: process ${successor.pid} has taken over; this one (${process.pid}) ends`);
    process.exit(0);
  }

  /** Our workers serve on: as the next primary we take them over like any other. */
  async #goOn(config: Config, upgradeTrouble: string): Promise<void> {
    const { startDaemon } = await import('../daemon.ts');
    try {
      this.daemon = await startDaemon(config, {
        ...{ ...daemonOptions(this.#options), upgrade: () => this.upgrade(), upgradeTrouble },
      });
      this.#successor = undefined;
      this.#successorPid = 0;
    } catch (error) {
      warn(`cannot go on: ${messageOf(error)}; the workers serve until orphan_timeout`);
      process.exit(1);
    }
  }
}

function daemonOptions({ log, load, manager }: PrimaryOptions): DaemonOptions {
  const [node, file = ''] = process.argv;
  return { log, load, manager, program: [node ?? process.execPath, file] };
}
