// The file that the daemon was started with, read again: when somebody asks, or when it has changed. A file that
// cannot be used changes nothing; why is said to whoever asked, in the log, the status and the metrics.

import { statSync } from 'node:fs';
import type {
  Configuration,
  ReloadedDocument,
  ReloadRequest,
  UpgradingDocument,
} from '../admin.ts';
import { messageOf, SluiceError } from '../base/errors.ts';
import { FileWatch } from '../base/file-watch.ts';
import type { Log } from '../base/log.ts';
import { type Config, documentChanges } from '../config.ts';
import { checkFiles } from './files.ts';
import type { Applied, LiveConfig } from './reload.ts';
import type { ServiceManager } from './service-manager.ts';

export type ConfigFileFacts = {
  readonly file: string;
  readonly appliedAtMs: number;
  /** Why it was not taken when it was read last; '' = it was. */
  readonly trouble: string;
};

export type ConfigFileOptions = {
  readonly live: LiveConfig;
  /** Undefined: the configuration is not from a file. */
  readonly load: (() => Promise<Config>) | undefined;
  /** True when every worker has this generation; false when it took too long. */
  readonly isInForce: (generation: number) => Promise<boolean>;
  /** It is told. */
  readonly manager: ServiceManager;
  /** Undefined: this program cannot be followed by another. */
  readonly upgrade: (() => Promise<UpgradingDocument>) | undefined;
  readonly log: Log;
};

export class ConfigFile implements Configuration {
  readonly #options: ConfigFileOptions;
  #appliedAtMs = Date.now();
  #trouble = '';
  /** One at a time: what is read last is in force last. */
  #last: Promise<unknown> = Promise.resolve();
  #watch: { readonly file: string; readonly watch: FileWatch } | undefined;
  /** Of the file when it was read last. */
  #seen = '';

  constructor(options: ConfigFileOptions) {
    this.#options = options;
    this.#follow();
  }

  get facts(): ConfigFileFacts {
    const file = this.#options.live.config?.file ?? '';
    return { file, appliedAtMs: this.#appliedAtMs, trouble: this.#trouble };
  }

  reload(request: ReloadRequest): Promise<ReloadedDocument> {
    const reloaded = this.#last.then(() => this.#reload(request));
    this.#last = reloaded.catch(() => {});
    return reloaded;
  }

  upgrade(): Promise<UpgradingDocument> {
    const { upgrade } = this.#options;
    if (upgrade !== undefined) return upgrade();
    const text = 'upgrade: this process was not started by sluice serve, so it cannot be followed';
    return Promise.reject(new SluiceError('conflict', text));
  }

  /** This configuration was put in force. */
  applied(): void {
    this.#appliedAtMs = Date.now();
    this.#trouble = '';
    this.#follow();
  }

  close(): void {
    this.#watch?.watch.close();
    this.#watch = undefined;
  }

  async #reload({ dryRun }: ReloadRequest): Promise<ReloadedDocument> {
    const { live, load, isInForce, manager, log } = this.#options;
    if (load === undefined) {
      const text = 'configuration: not from a file, so there is none to read again';
      throw new SluiceError('conflict', text);
    }
    const last = live.config?.document ?? {};
    if (!dryRun) manager.reloading();
    try {
      this.#seen = stampOf(live.config?.file ?? '');
      const next = await load();
      checkFiles(next);
      const applied = dryRun ? await live.compare(next) : await live.applyConfig(next);
      if (!dryRun) this.applied();
      return {
        ...documentOf(next, applied),
        ...{ dryRun, changes: documentChanges(last, next.document) },
        inForce: !dryRun && (await isInForce(applied.generation)),
      };
    } catch (error) {
      if (!dryRun) {
        this.#trouble = messageOf(error);
        log.error({ error: this.#trouble }, 'configuration not taken, the last one stays');
      }
      throw error;
    } finally {
      if (!dryRun) manager.ready(this.#trouble);
    }
  }

  #follow(): void {
    const { live, load } = this.#options;
    const { file = '', reloadsOnChange = false } = live.config ?? {};
    const wanted = reloadsOnChange && load !== undefined ? file : '';
    if ((this.#watch?.file ?? '') === wanted) return;
    this.close();
    if (wanted === '') return;
    this.#seen = stampOf(wanted);
    this.#watch = { file: wanted, watch: new FileWatch(wanted, () => this.#look(wanted)) };
  }

  #look(file: string): void {
    const stamp = stampOf(file);
    // One that is away for a moment is being replaced.
    if (stamp === '' || stamp === this.#seen) return;
    this.#options.log.info({ file }, 'configuration file has changed, reading it again');
    this.reload({ dryRun: false }).catch(() => {});
  }
}

/** '' = it is not there. */
function stampOf(file: string): string {
  const found = file === '' ? undefined : statSync(file, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? '' : `${found.ino} ${found.size} ${found.mtimeNs}`;
}

function documentOf(
  { file, warnings }: Config,
  { generation, keys, kept, upstreams }: Applied,
): Omit<ReloadedDocument, 'dryRun' | 'changes' | 'inForce'> {
  return { file, warnings, generation, keys, kept, upstreams };
}
