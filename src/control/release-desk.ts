// Releases for a page. What is known of all services comes from the registry. What has to be done beside the
// gateway (start one, tell what it would do, show what an instance prints) is done by `sluice` itself, run as
// this process's user with its configuration; only where the configuration lets it (admin.start_releases).

import { join } from 'node:path';
import type {
  OutputDocument,
  ReleaseDesk,
  ReleaseOverview,
  ReleasePlanDocument,
  ReleaseRecords,
  RunDocument,
  StartRequest,
} from '../admin.ts';
import { SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { formatDuration } from '../base/units.ts';
import type { Config, ServiceConfig } from '../config.ts';
import { type Program, Questions, spawnSluice } from './release-desk/program.ts';
import { StartedRun } from './release-desk/started-run.ts';
import { cliOf, outputWords, planWords, refusalOf, startWords } from './release-desk/words.ts';
import type { ReleaseLook } from './shared.ts';

export type { Program } from './release-desk/program.ts';

/** A start that has not begun its release by then is answered all the same: it builds. */
const BEGUN_MS = 10_000;
const PLAN_MS = 30_000;
const OUTPUT_MS = 20_000;

export type ReleaseDeskOptions = {
  readonly config: () => Config;
  readonly releases: () => ReleaseRecords & ReleaseLook;
  /** How this program is run; undefined: this process is another one, as in a test. */
  readonly program: (config: Config) => Program | undefined;
  readonly log: Log;
};

export class ProgramDesk implements ReleaseDesk {
  readonly #options: ReleaseDeskOptions;
  readonly #questions = new Questions();
  /** The newest of each service. */
  readonly #runs = new Map<string, StartedRun>();

  constructor(options: ReleaseDeskOptions) {
    this.#options = options;
  }

  async overview(last: number): Promise<ReleaseOverview> {
    const { services } = this.#options.config();
    const all = await this.#options.releases().all?.();
    const { releases = [], locks = new Map(), stale = new Set() } = all ?? {};
    const configured = new Map(services.map((service) => [service.name, service]));
    const names = new Set([
      ...[...configured.keys(), ...locks.keys()],
      ...releases.map(({ service }) => service),
    ]);
    const whyNot = this.#whyNot();
    return {
      ...{ shared: all !== undefined, mayStart: whyNot === '', whyNot },
      services: [...names].toSorted().map((name) => {
        const service = configured.get(name);
        const lock = locks.get(name) ?? null;
        const newest = releases.find((one) => one.service === name)?.summary;
        return {
          service: name,
          upstream: service?.upstream ?? newest?.upstream ?? '',
          isConfigured: service !== undefined,
          needsVersion: service?.artifact === null,
          instances: (service?.instances ?? []).map(({ id }) => id),
          ...{ lock, stale: stale.has(name) },
        };
      }),
      releases: releases.slice(0, last),
      more: releases.length > last,
    };
  }

  async start(service: string, request: StartRequest, by: string): Promise<RunDocument> {
    const words = startWords(service, request);
    const cli = cliOf(words);
    const { config, program, ...known } = this.#needed(service, cli);
    const { kind, version, owner } = request;
    if (kind === 'deploy' && version === '' && known.service.artifact === null) {
      const what = 'has no artifact that says which version it is; name one';
      throw new SluiceError('conflict', `service "${service}" ${what}`);
    }
    const before = this.#runs.get(service);
    if (before !== undefined && !before.isOver) throw underWay(before.document());
    const who = by === '' ? owner.replace(/^user:/, '') : by;
    const environment = { ...program.environment, ...(who === '' ? {} : { SLUICE_BY: who }) };
    const child = spawnSluice({ ...program, environment }, [...words, '--output', 'plain']);
    const run = new StartedRun(child, {
      ...{ service, request, by: who, cli, log: this.#options.log },
      file: join(config.stateDir, 'runs', `${encodeURIComponent(service)}.log`),
    });
    this.#runs.set(service, run);
    await run.begun(BEGUN_MS);
    const document = run.document();
    if (document.state !== 'ended' || document.release !== '') return document;
    throw refusalOf(service, { exit: document.exit, text: run.errors });
  }

  run(service: string): RunDocument {
    const run = this.#runs.get(service);
    if (run !== undefined) return run.document();
    this.#service(service);
    return {
      ...{ service, state: 'none', kind: 'deploy', version: '', by: '', why: '', release: '' },
      ...{ pid: 0, startedAtMs: 0, endedAtMs: 0, exit: -1, lines: [], file: '', cli: '' },
    };
  }

  async plan(
    service: string,
    asked: { readonly kind: 'deploy' | 'rollback'; readonly version: string },
  ): Promise<ReleasePlanDocument> {
    const words = planWords(service, asked);
    const cli = cliOf(words);
    const { program } = this.#needed(service, cli);
    const ended = await this.#questions.ask(program, [...words, '--json'], PLAN_MS);
    const plan = parsed(ended.stdout);
    if (typeof plan !== 'object' || plan === null) {
      throw refusalOf(service, { exit: ended.exit, text: ended.stderr });
    }
    return { service, kind: asked.kind, plan: { ...plan }, exit: ended.exit, cli };
  }

  async output(service: string, instance: string, last: number): Promise<OutputDocument> {
    const words = outputWords(service, instance, last);
    const cli = cliOf(words);
    const { program, service: known } = this.#needed(service, cli);
    if (!known.instances.some(({ id }) => id === instance)) {
      const ids = known.instances.map(({ id }) => id).join(', ');
      const text = `service "${service}": no instance ${instance}; known: ${ids}`;
      throw new SluiceError('not_found', text);
    }
    const ended = await this.#questions.ask(program, [...words, '--json'], OUTPUT_MS);
    const logs = parsed(ended.stdout);
    const log = Array.isArray(logs) ? logs[0] : undefined;
    if (typeof log !== 'object' || log === null) {
      throw refusalOf(service, { exit: ended.exit, text: ended.stderr });
    }
    const found = new Map<string, unknown>(Object.entries(log));
    const lines = found.get('lines');
    return {
      instance,
      place: String(found.get('place') ?? ''),
      trouble: String(found.get('trouble') ?? ''),
      lines: Array.isArray(lines) ? lines.map(String) : [],
      cli,
    };
  }

  /** Releases that were started go on. */
  close(): void {
    this.#questions.close();
    for (const run of this.#runs.values()) if (!run.isOver) run.detach();
  }

  #whyNot(): string {
    const { config, program } = this.#options;
    const { admin, services, file } = config();
    if (services.length === 0) return 'this gateway has no services in its configuration';
    if (!admin.startsReleases) {
      return `this gateway does not run releases: whoever may set "admin.start_releases: on" in ${file} decides whether the role release runs its commands here`;
    }
    return program(config()) === undefined ? 'this process cannot start sluice' : '';
  }

  /** @throws not_found, forbidden */
  #needed(service: string, cli: string) {
    const config = this.#options.config();
    const known = this.#service(service);
    const whyNot = this.#whyNot();
    const program = this.#options.program(config);
    if (whyNot === '' && program !== undefined) return { config, program, service: known };
    const advice = `from a shell on a machine with its configuration: ${cli}`;
    throw new SluiceError('forbidden', `service "${service}": ${whyNot}; ${advice}`);
  }

  /** @throws not_found */
  #service(name: string): ServiceConfig {
    const { services } = this.#options.config();
    const found = services.find((service) => service.name === name);
    if (found !== undefined) return found;
    const known = services.map((service) => service.name).join(', ');
    const advice = known === '' ? 'it has none' : `known: ${known}`;
    const text = `service "${name}": not in the configuration of this gateway; ${advice}`;
    throw new SluiceError('not_found', text);
  }
}

function underWay({ service, kind, by, release, startedAtMs }: RunDocument): SluiceError {
  const age = formatDuration(Math.max(0, Date.now() - startedAtMs));
  const who = by === '' ? '' : ` by ${by}`;
  const at = release === '' ? 'and has not begun its release yet' : `as ${release}`;
  const text = `a ${kind}${who} was started here ${age} ago ${at}; wait for it`;
  const more = release === '' ? '' : `, or end it with: sluice abort ${service}`;
  return new SluiceError('locked', `service "${service}": ${text}${more}`, {
    details: { release },
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // It has ended with an error, or was cut off.
    return undefined;
  }
}
