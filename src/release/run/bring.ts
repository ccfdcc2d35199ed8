// The artifact on its way: to all hosts before the first instance is touched, several at once; and
// what is left there when the release is over. A host on which it fails ends the release, with nothing
// changed anywhere.

import { isSluiceError, messageOf } from '../../base/errors.ts';
import type { ServiceInstance } from '../../config.ts';
import { type Artifact, linkFor, markBad, prune, releaseOf, stageOn } from '../artifact.ts';
import { driverOf } from '../drivers.ts';
import type { Facts } from '../events.ts';
import { type Host, hostOf } from '../hosts.ts';
import type { Plan } from '../plan.ts';
import type { StepFailure } from '../step-end.ts';
import type { Survey } from '../survey.ts';
import { fetchForDrivers } from './fetch.ts';
import type { Release } from './release.ts';

const HOSTS_AT_ONCE = 5;
const WAIT_EVENT_EVERY_MS = 1000;

type Place = { readonly host: Host; readonly instances: ServiceInstance[] };

/**
 * Null when the version is on every host that gets it, and can be started there. Without an artifact
 * it was brought before: by the release that is resumed, or that is gone back to.
 */
export async function bring(
  release: Release,
  plan: Plan,
  artifact: Artifact | null,
): Promise<StepFailure | null> {
  const missing = await fetchForDrivers(release, plan);
  if (missing !== null) return missing;
  if (release.service.artifact === null) return null;
  const started = plan.instances.filter(({ steps }) => steps.some(({ kind }) => kind === 'start'));
  const ids = new Set(started.map(({ instance }) => instance));
  const places = placesOf(release, (id) => ids.has(id));
  const failure = artifact === null ? null : await stageAll(release, places, artifact);
  return failure ?? startProblem(release, plan, places);
}

async function stageAll(
  release: Release,
  places: readonly Place[],
  artifact: Artifact,
): Promise<StepFailure | null> {
  const waiting = [...places];
  const failures: StepFailure[] = [];
  const worker = async (): Promise<void> => {
    for (let place = waiting.shift(); place !== undefined; place = waiting.shift()) {
      const failure = await stage(release, place, artifact);
      if (failure !== null) failures.push(failure);
      // What is on its way is finished; nothing new is begun.
      if (failures.length > 0) return;
    }
  };
  await Promise.all(Array.from({ length: HOSTS_AT_ONCE }, worker));
  if (release.options.interrupts.soft.aborted) {
    return { code: 'interrupted', reason: 'interrupted', evidence: [] };
  }
  const [first, ...others] = failures;
  if (first === undefined) return null;
  return { ...first, evidence: [...first.evidence, ...others.map(({ reason }) => reason)] };
}

async function startProblem(
  release: Release,
  plan: Plan,
  places: readonly Place[],
): Promise<StepFailure | null> {
  for (const { instances } of places) {
    for (const instance of instances) {
      const driver = driverOf(release.service, instance);
      const launch = driver.launchOf(plan.version);
      const problem = await driver.startProblem(launch).catch((error: unknown) => {
        if (!isSluiceError(error)) throw error;
        return messageOf(error);
      });
      if (problem === '') continue;
      const reason = `instance ${instance.id}: ${problem}; see services.${release.service.name}`;
      return { code: 'preflight_failed', reason, evidence: [] };
    }
  }
  return null;
}

async function stage(
  release: Release,
  { host, instances }: Place,
  artifact: Artifact,
): Promise<StepFailure | null> {
  const { artifact: config, user } = release.service;
  if (config === null) return null;
  const startedMs = performance.now();
  const say = (phase: 'start' | 'wait' | 'done' | 'failed', text: string, data: Facts): void => {
    const ms = Math.round(performance.now() - startedMs);
    release.emit({ type: 'prepare', part: 'upload', subject: host.name, phase, ms, text, data });
  };
  let saidMs = startedMs;
  const wait = (facts: Facts): void => {
    if (performance.now() - saidMs < WAIT_EVENT_EVERY_MS) return;
    saidMs = performance.now();
    say('wait', '', facts);
  };
  const links = instances.map((instance) => linkFor(config, instance));
  const stop = release.options.interrupts.soft;
  const { run } = artifact;
  say('start', '', { release: artifact.release });
  try {
    const claim = release.claimOn(host);
    if (claim !== undefined) await host.claim(claim.folder, claim.fence);
    const facts = await stageOn({ host, user, config, run, artifact, links, wait, stop });
    await release.write({ kind: 'note', data: { upload: host.name, ...facts } });
    say('done', '', facts);
    return null;
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    const reason = messageOf(error);
    await release.write({ kind: 'note', data: { upload: host.name, failed: reason } });
    say('failed', reason, {});
    // A host that cannot be reached now has changed nothing, as any other refusal.
    return { code: 'preflight_failed', reason, evidence: [] };
  }
}

/** After a success: old versions go. What fails is said, and fails nothing. */
export async function removeOld(release: Release, seen: Survey): Promise<void> {
  const { artifact } = release.service;
  if (artifact === null || artifact.release === '') return;
  const { path, keep } = artifact;
  const needed = neededIn(release, seen);
  // What is needed on a host that cannot be asked is not known, and two hosts may share a folder.
  if (seen.instances.some(({ trouble }) => trouble !== '')) return;
  for (const { host } of placesOf(release)) {
    const claim = release.claimOn(host);
    const options = { path, keep, release: artifact.release, needed, claim };
    const { removed, trouble } = await attempt(() => prune(host, options));
    if (trouble !== '') note(release, `${host.name}: old versions stay in ${path}: ${trouble}`);
    if (removed.length === 0) continue;
    const data = { removed: removed.join(' ') };
    await release.write({ kind: 'note', data: { prune: host.name, ...data } });
    const event = { type: 'prepare', part: 'prune', subject: host.name, phase: 'done' } as const;
    release.emit({ ...event, ms: 0, text: '', data });
  }
}

/** After a failure that speaks against the version: its folder says so on the hosts where it failed. */
export async function markFailed(release: Release, failure: StepFailure): Promise<void> {
  const { artifact } = release.service;
  const isVersions = failure.code === 'release_failed' || failure.code === 'rollback_failed';
  if (artifact === null || artifact.release === '' || !isVersions) return;
  const hasFailed = (id: string): boolean => {
    const { outcome = 'untouched' } = release.settled.get(id) ?? {};
    return outcome === 'failed' || outcome === 'reverted' || outcome === 'parked';
  };
  for (const { host } of placesOf(release, hasFailed)) {
    const why = `release ${release.id}: ${failure.reason}`;
    const { trouble } = await attempt(async () => {
      await markBad(host, artifact, release.masked(why));
      return { removed: [], trouble: '' };
    });
    if (trouble !== '')
      note(release, `${host.name}: ${artifact.release} is not marked as bad: ${trouble}`);
  }
}

type Removal = { readonly removed: readonly string[]; readonly trouble: string };

async function attempt(act: () => Promise<Removal>): Promise<Removal> {
  try {
    return await act();
  } catch (error) {
    return { removed: [], trouble: messageOf(error) };
  }
}

function note(release: Release, text: string): void {
  release.emit({ type: 'note', instance: '', text });
}

/** Versions that run, and those that a revert or the next rollback goes to. */
function neededIn({ service }: Release, { instances }: Survey): readonly string[] {
  const found = instances.flatMap((instance) => {
    const driver = driverOf(service, instance);
    const { process, record } = instance;
    return [process?.launch, record.process?.launch, record.proven].flatMap((launch) => {
      if (launch == null) return [];
      const { cwd, argv } = driver.describe(launch);
      return [cwd, ...argv].map(releaseOf);
    });
  });
  return [...new Set(found)].filter(Boolean);
}

/** Hosts by themselves: two names may be one machine. */
function placesOf(
  { service }: Release,
  isMeant: (id: string) => boolean = () => true,
): readonly Place[] {
  const places = new Map<Host, Place>();
  for (const instance of service.instances) {
    if (!isMeant(instance.id)) continue;
    const host = hostOf(service, instance);
    const place = places.get(host);
    if (place !== undefined) place.instances.push(instance);
    else places.set(host, { host, instances: [instance] });
  }
  return [...places.values()];
}
