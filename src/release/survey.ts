// What is, before anything is decided: for each instance its process, the version that answers, its
// place in the pool, and who holds it. Reads only. The same survey is taken again at the end of a
// release, so that the last block says what was seen and not what was believed.

import { type ErrorCode, isSluiceError, messageOf, SluiceError } from '../base/errors.ts';
import type { Scope } from '../base/scope.ts';
import type { ServiceConfig, ServiceInstance } from '../config.ts';
import { parseOwner } from '../model.ts';
import { releaseFolder } from './artifact.ts';
import type { PoolServer, ReleaseControl } from './control.ts';
import { driverOf, type LaunchFacts, type Started } from './drivers.ts';
import { hostOf } from './hosts.ts';
import { recordFile } from './journal/files.ts';
import { type PastRelease, readHistory } from './journal/history.ts';
import { type InstanceRecord, NO_RECORD, readRecord, unlisted } from './journal/instance-record.ts';
import { type Answer, probe } from './probe.ts';

export type InstanceSurvey = ServiceInstance & {
  /** Our living process, null when there is none. */
  readonly process: RunningProcess | null;
  readonly record: InstanceRecord;
  /** Who listens on the port although it is not ours; '' when nobody does. */
  readonly stranger: string;
  readonly answer: Answer;
  /** The version that answers, else the one in the record of a living process; '' when none runs. */
  readonly version: string;
  /** Undefined when the upstream does not have it. */
  readonly server: PoolServer | undefined;
  /** A release of this service that is over and still holds the server out; '' when none does. */
  readonly left: string;
  /** Why nothing can be said of the instance; '' normally. */
  readonly trouble: string;
  /** Its host cannot be asked: whether it runs is not known, and `process` is null for that. */
  readonly isUnknown?: true;
  /** It has a record of ours, and is not in the list of instances any more. */
  readonly isRetired?: true;
  /** Why a revert cannot bring back what runs now, and what served last; '' when it can. */
  readonly wayBack: { readonly running: string; readonly proven: string };
  /** How the wanted version would be started. */
  readonly wanted: LaunchFacts;
  /** What a person should know before it is started so. */
  readonly warnings: readonly string[];
  /** Why the wanted version cannot be started; '' when nothing speaks against it. */
  readonly launchProblem: string;
};

/** What runs, with what its driver says of it. */
export type RunningProcess = Started & {
  readonly pid: number;
  /** It was found by its record, and can be started again. */
  readonly isKnown: boolean;
  /** It is what the configuration would start at its version. */
  readonly isAsConfigured: boolean;
};

export type ReleaseProblem = { readonly code: ErrorCode; readonly message: string };

export type Survey = {
  readonly instances: readonly InstanceSurvey[];
  /** All servers of the upstream, also those that the service does not run. */
  readonly servers: readonly PoolServer[];
  /** Whose view of the servers it is; null when the control plane did not answer. */
  readonly scope: Scope | null;
  /** Why the control plane could not be asked; null when it answered. */
  readonly trouble: ReleaseProblem | null;
  /** Other releases of the service, newest first. */
  readonly history: readonly PastRelease[];
  /** No registry has its records: nobody elsewhere hears of a release, and nobody can tell it anything. */
  readonly isAlone?: true;
};

type SurveyOptions = {
  readonly service: ServiceConfig;
  readonly control: ReleaseControl;
  readonly version: string;
  /** The release that asks, '' for none: it is not a part of the history. */
  readonly self: string;
  /** An earlier runner of the same release: what it holds was left by it. */
  readonly isResumed?: boolean;
};

/** An unreachable control plane is reported as `trouble`: the rest holds without it. */
export async function survey(options: SurveyOptions): Promise<Survey> {
  const { service, control } = options;
  const all = await readHistory(service, control.releases);
  const history = all.filter((past) => past.id !== options.self);
  const { shared, isAlone } = await sharedRecords(options);
  let servers: readonly PoolServer[] = [];
  let scope: Scope | null = null;
  let trouble: ReleaseProblem | null = null;
  try {
    const status = await control.status();
    scope = status.scope;
    const upstream = status.upstreams.find((candidate) => candidate.name === service.upstream);
    if (upstream === undefined) {
      const message = `service "${service.name}": the control plane has no upstream "${service.upstream}"; is it that of another configuration?`;
      trouble = { code: 'preflight_failed', message };
    }
    servers = upstream?.servers ?? [];
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    trouble = { code: error.code, message: messageOf(error) };
  }
  // Those that have left the list run on until a release has retired them.
  const retired = await unlisted(service, shared);
  const instances = await Promise.all(
    [...service.instances, ...retired].map((instance) =>
      surveyOrNot({ ...options, instance, servers, history, shared }),
    ),
  );
  const isListed = new Set(service.instances.map(({ id }) => id));
  return {
    instances: instances.map((instance) =>
      isListed.has(instance.id) ? instance : { ...instance, isRetired: true },
    ),
    ...{ servers, scope, trouble, history },
    ...(isAlone ? { isAlone } : {}),
  };
}

/** By instance. Who may not read them has those of this machine. */
async function sharedRecords({ service, control }: SurveyOptions): Promise<{
  readonly shared: ReadonlyMap<string, unknown>;
  readonly isAlone: boolean;
}> {
  try {
    const known = await control.releases?.instances(service.name);
    const { shared: isShared = false, instances = [] } = known ?? {};
    const shared = new Map(instances.map(({ instance, record }) => [instance, record]));
    return { shared, isAlone: !isShared };
  } catch (error) {
    if (isSluiceError(error)) return { shared: new Map(), isAlone: false };
    throw error;
  }
}

/** What the wanted launches and those of now and before refer to: it must not be written or shown. */
export async function secretsIn(
  found: Survey,
  service: ServiceConfig,
  version: string,
): Promise<ReadonlySet<string>> {
  const secrets = found.instances.map(async (instance) => {
    const { process, record } = instance;
    const driver = driverOf(service, instance);
    const known = [process?.launch, record.process?.launch, record.proven];
    const launches = [driver.launchOf(version), ...known.filter((launch) => launch != null)];
    return Promise.all(launches.map((launch) => driver.secretsOf(launch)));
  });
  return new Set((await Promise.all(secrets)).flat(2));
}

/** A host that cannot be asked says nothing of its instances; what answers on their ports is seen. */
async function surveyOrNot(options: Parameters<typeof surveyInstance>[0]): Promise<InstanceSurvey> {
  const { service, instance, servers, version } = options;
  try {
    if (instance.hostName !== '' && !service.hosts.has(instance.hostName)) {
      throw new SluiceError('preflight_failed', hostGone(service, instance));
    }
    await hostOf(service, instance).connect();
    return await surveyInstance(options);
  } catch (error) {
    if (!isSluiceError(error) || !UNKNOWN.has(error.code)) throw error;
    const driver = driverOf(service, instance);
    const answer = await probe(instance.address, {
      ...service,
      timeoutMs: service.checkTimeoutMs,
    });
    return {
      ...instance,
      ...{ process: null, record: NO_RECORD, stranger: '', answer, version: answer.version },
      ...{ server: servers.find(({ id }) => id === instance.id), left: '', isUnknown: true },
      trouble: messageOf(error),
      wayBack: { running: '', proven: '' },
      wanted: driver.describe(driver.launchOf(version)),
      launchProblem: '',
      warnings: [],
    };
  }
}

function hostGone(service: ServiceConfig, { id, hostName }: ServiceInstance): string {
  return `instance ${id}: not in the list any more, and its host "${hostName}" is not in hosts; keep the host until a release has retired the instance, or stop it there and remove ${recordFile(service, id)}`;
}

const UNKNOWN: ReadonlySet<ErrorCode> = new Set(['host_unreachable', 'preflight_failed']);

async function surveyInstance(
  options: SurveyOptions & {
    readonly instance: ServiceInstance;
    readonly servers: readonly PoolServer[];
    readonly history: readonly PastRelease[];
    readonly shared: ReadonlyMap<string, unknown>;
  },
): Promise<InstanceSurvey> {
  const { service, instance, servers, shared } = options;
  const { id, address } = instance;
  let trouble = '';
  const driver = driverOf(service, instance);
  const record = await readRecord(service, id, driver, shared.get(id)).catch((error: unknown) => {
    trouble = messageOf(error);
    return NO_RECORD;
  });
  const started = await driver.find(record.process);
  const [stranger, answer] = await Promise.all([
    driver.stranger(started?.handle ?? null, address.port),
    probe(address, { ...service, timeoutMs: service.checkTimeoutMs }),
  ]);
  const server = servers.find((candidate) => candidate.id === id);
  const ours = started?.launch.version ?? '';
  const wanted = driver.launchOf(options.version);
  const isKnown = started !== null && driver.isKnown(started.launch);
  const process: RunningProcess | null = started && {
    ...started,
    pid: (await driver.state(started.handle)).pid,
    isKnown,
    isAsConfigured: isKnown && driver.isSame(started.launch, driver.launchOf(ours)),
  };
  return {
    ...instance,
    process,
    record,
    stranger,
    answer,
    // What another process answers is no version of ours, whatever it says.
    version: stranger === '' && answer.version !== '' ? answer.version : ours,
    server,
    left: server === undefined || server.admin.state === 'ready' ? '' : leftBy(server, options),
    trouble,
    wayBack: {
      running: started === null ? '' : await driver.returnProblem(started.launch),
      proven: record.proven === null ? '' : await driver.returnProblem(record.proven),
    },
    wanted: driver.describe(wanted),
    launchProblem: (await isComing(service, instance)) ? '' : await driver.startProblem(wanted),
    warnings: (await driver.warnings?.(wanted)) ?? [],
  };
}

/** Nothing can be said of a version that is not on the host yet. */
async function isComing(service: ServiceConfig, instance: ServiceInstance): Promise<boolean> {
  const { artifact } = service;
  if (artifact === null) return false;
  if (artifact.release === '') return true;
  return (await hostOf(service, instance).look(releaseFolder(artifact))) === null;
}

/**
 * The ended release that holds the server, '' when a person or a release at work does. A release
 * that is older than the newest and has no journal any more is over: only the newest can be at work,
 * and journals go with age. Keeping those of parked instances was the alternative, but who opens a
 * journal does not know the pool, and may not be able to ask.
 */
function leftBy(
  { admin }: PoolServer,
  { history, self, isResumed = false }: SurveyOptions & Pick<Survey, 'history'>,
): string {
  const owner = parseOwner(admin.owner);
  const id = owner.kind === 'release' ? owner.id : '';
  if (id !== '' && id === self) return isResumed ? id : '';
  const past = history.find((release) => release.id === id);
  if (past !== undefined) return past.over ? id : '';
  const number = Number(/^r([1-9]\d{0,8})$/.exec(id)?.[1] ?? Number.POSITIVE_INFINITY);
  return number < (history[0]?.number ?? 0) ? id : '';
}
