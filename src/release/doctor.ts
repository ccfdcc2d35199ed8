// What a release of a service would need, looked at one by one: each host (the way there, user, clock,
// disk, programs, who has the ports) and each gateway. Changes nothing but what uploads have
// left behind. Every finding says what to do.

import { delimiter, isAbsolute, join, resolve } from 'node:path';
import type { StatusDocument } from '../admin/contract.ts';
import { isSluiceError, messageOf } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import type { ServiceConfig, ServiceInstance } from '../config.ts';
import { sweep } from './artifact.ts';
import { type Driver, driverOf, userSwitch } from './drivers.ts';
import { type Host, hostOf } from './hosts.ts';
import { hostFolder } from './journal/files.ts';

export type Finding = {
  /** `host app-1`, `gateway pid 7 on web-1`. */
  readonly of: string;
  readonly what: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly text: string;
  /** What to do; '' when nothing has to be done. */
  readonly advice: string;
};

type Say = (what: string, state: Finding['state'], text: string, advice?: string) => void;

/** It is asked for the gateways, too, of which a release needs to know less. */
export type DoctorControl = {
  status(): Promise<
    Pick<StatusDocument, 'scope' | 'gateways'> & {
      readonly upstreams: readonly { readonly name: string }[];
    }
  >;
};

const ASK_MS = 20_000;
const SKEW_WARN_S = 2;
const FREE_KB_WARN = 1024 * 1024;
const FREE_KB_FAIL = 50 * 1024;

/** Hosts first, in the order of the instances, then gateways. */
export async function examine(
  service: ServiceConfig,
  control: DoctorControl,
  nowMs: () => number = Date.now,
): Promise<readonly Finding[]> {
  const byHost = new Map<string, ServiceInstance[]>();
  for (const instance of service.instances) {
    byHost.set(instance.hostName, [...(byHost.get(instance.hostName) ?? []), instance]);
  }
  const parts = [
    ...[...byHost.values()].map((instances) => examineHost(service, instances, nowMs)),
    examineGateways(service, control, nowMs),
  ];
  return (await Promise.all(parts)).flat();
}

async function examineHost(
  service: ServiceConfig,
  instances: readonly ServiceInstance[],
  nowMs: () => number,
): Promise<readonly Finding[]> {
  const [first] = instances;
  if (first === undefined) return [];
  const host = hostOf(service, first);
  const { say, findings } = listOf(
    first.hostName === '' ? 'this machine' : `host ${first.hostName}`,
  );
  const startedMs = performance.now();
  try {
    await host.connect();
    const ms = Math.round(performance.now() - startedMs);
    if (!host.isLocal) say('ssh', 'ok', `${host.name} in ${formatDuration(ms)}`);
    await lookAround(host, service, say, nowMs);
    for (const instance of instances) await lookAtInstance(service, instance, say);
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    const [text = '', ...advice] = messageOf(error).split('; ');
    say(host.isLocal ? 'host' : 'ssh', 'fail', text, advice.join('; '));
  }
  return findings;
}

/** User, free space of two folders in KB, seconds since 1970, programs that are missing: a line each. */
const LOOK = `id -un 2>/dev/null || id -u
for d in "$1" "$2"; do
while [ ! -d "$d" ] && [ "$d" != . ] && [ "$d" != / ]; do d=$(dirname "$d"); done
df -Pk "$d" | { read -r _; read -r _ _ _ free _; echo "$free"; }
done
date +%s
shift 2; m=; for p; do command -v "$p" >/dev/null || m="$m $p"; done; echo "$m"`;

function lookAtDisk(folder: string, freeKb: number, say: Say): void {
  const space = `${Math.floor(freeKb / 1024).toLocaleString('en')} MB free for ${folder}`;
  const advice = 'free some space: logs, and versions that nobody needs';
  if (freeKb < FREE_KB_FAIL) say('disk', 'fail', space, advice);
  else if (freeKb < FREE_KB_WARN) say('disk', 'warn', space, advice);
  else say('disk', 'ok', space);
}

async function lookAround(
  host: Host,
  service: ServiceConfig,
  say: Say,
  nowMs: () => number,
): Promise<void> {
  const needed = service.artifact === null ? ['sh'] : ['sh', 'tar', 'gzip', 'sha256sum', 'df'];
  const home = host.environment['HOME'] ?? '/';
  const folder = hostFolder(service, host);
  const placed = service.artifact?.path ?? folder;
  const beforeMs = nowMs();
  const { stdout } = await host.run(
    {
      ...{ file: '/bin/sh', args: ['-c', LOOK, 'sh', folder, placed, ...needed] },
      ...{ cwd: home, env: { PATH: host.environment['PATH'] ?? '', LC_ALL: 'C' } },
    },
    ASK_MS,
  );
  const ourS = (beforeMs + nowMs()) / 2000;
  const [user = '', free = '', freePlaced = '', clock = '', missing = ''] = stdout.split('\n');
  say('user', 'ok', user);
  if (service.user !== '' && service.driver === 'command') {
    const { problem } = await userSwitch(host, service.user);
    const [text = '', ...how] = problem.split('; ');
    if (problem === '') say('run as', 'ok', service.user);
    else say('run as', 'fail', text, how.join('; '));
  }
  lookAtDisk(folder, Number(free), say);
  if (placed !== folder) lookAtDisk(placed, Number(freePlaced), say);
  // Whole seconds: the half that may be lost is added.
  const skew = Number(clock) + 0.5 - ourS;
  const off = `${Math.abs(skew).toFixed(1)} s ${skew > 0 ? 'ahead of' : 'behind'} ours`;
  if (Math.abs(skew) <= SKEW_WARN_S) say('clock', 'ok', 'as ours');
  else {
    const sync = 'set it by NTP (timedatectl): times in logs and journals cannot be compared';
    say('clock', 'warn', off, sync);
  }
  const lost = missing.trim();
  if (lost === '') say('programs', 'ok', needed.join(', '));
  else say('programs', 'fail', `missing: ${lost}`, `install them for the user ${user}`);
  if (!isFixed(service)) await lookForProgram(host, service, say);
  if (service.artifact !== null) await sweepUploads(host, service.artifact.path, say);
}

/** The one thing that is changed: what was cut off long ago goes. */
async function sweepUploads(host: Host, path: string, say: Say): Promise<void> {
  const { removed, young } = await sweep(host, path);
  const parts = `parts of uploads that were cut off, in ${path}/releases`;
  if (removed > 0) say('uploads', 'ok', `${removed} ${parts}: removed`);
  if (young > 0) {
    const advice = 'the next release removes them, unless one is at work now';
    say('uploads', 'warn', `${young} ${parts}, or of one that is under way`, advice);
  }
}

/** The same for every version, so that all of it can be looked at before there is one. */
function isFixed({ start, cwd, artifact }: ServiceConfig): boolean {
  return artifact === null && [...start, cwd].every((text) => !text.includes('{version}'));
}

/** Of a start command that depends on the version: what is to be on the host without it. */
async function lookForProgram(host: Host, service: ServiceConfig, say: Say): Promise<void> {
  const [program = ''] = service.start;
  if (program === '') return;
  if (comesWithVersion(service, program)) {
    say('start', 'ok', `${program}: comes with the version`);
    return;
  }
  const isPath = program.includes('/');
  const path = service.env['PATH'] ?? host.environment['PATH'] ?? '';
  const files = isPath
    ? [resolve(service.cwd, program)]
    : path.split(delimiter).map((folder) => resolve('/', folder, program));
  for (const file of files) {
    const found = await host.look(file);
    if (found?.kind !== 'file' || !found.isExecutable) continue;
    say('start', 'ok', `${program}: is there`);
    return;
  }
  const problem = isPath
    ? `${files[0]} is not an executable file`
    : `the program "${program}" is not on the PATH`;
  say('start', 'fail', problem, `see services.${service.name}.start and env`);
}

/** It is a file of the artifact, or of the version's folder. */
function comesWithVersion({ artifact, cwd }: ServiceConfig, program: string): boolean {
  if (program.includes('{')) return true;
  if (!program.includes('/')) return false;
  if (!isAbsolute(program)) return artifact !== null || cwd.includes('{');
  return artifact !== null && resolve(program).startsWith(join(artifact.path, '/'));
}

async function lookAtInstance(
  service: ServiceConfig,
  instance: ServiceInstance,
  say: Say,
): Promise<void> {
  const driver = driverOf(service, instance);
  const found = await driver.find(null);
  const stranger = await driver.stranger(found?.handle ?? null, instance.address.port);
  const what = `port ${instance.address.port}`;
  if (stranger !== '') {
    const advice = `see who started it; give the instance another port in services.${service.name}, or end it there`;
    say(what, 'fail', `held by ${stranger}`, advice);
  } else if (found === null) say(what, 'ok', 'free');
  else {
    const { pid } = await driver.state(found.handle);
    say(what, 'ok', `${found.launch.version} runs${pid === 0 ? '' : ` (pid ${pid})`}`);
  }
  await lookAtKeeper(driver, found !== null, say);
  if (!isFixed(service)) return;
  const problem = await driver.startProblem(driver.launchOf('v0'));
  if (problem === '') say('start', 'ok', service.start.join(' '));
  else say('start', 'fail', problem, `see services.${service.name}.start, cwd and env`);
}

/** Who starts it again when it ends, and after a reboot. */
async function lookAtKeeper(driver: Driver, isRunning: boolean, say: Say): Promise<void> {
  const kept = await driver.kept?.();
  if (kept == null || (!isRunning && !kept.isNews)) return;
  say('restarts', kept.advice === '' ? 'ok' : 'warn', kept.text, kept.advice);
}

async function examineGateways(
  service: ServiceConfig,
  control: DoctorControl,
  nowMs: () => number,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const list = (of: string): Say => {
    const part = listOf(of, findings);
    return part.say;
  };
  const startedMs = performance.now();
  let status: Awaited<ReturnType<DoctorControl['status']>>;
  try {
    status = await control.status();
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    const [text = '', ...advice] = messageOf(error).split('; ');
    list('gateway')('control', 'fail', text, advice.join('; '));
    return findings;
  }
  const ms = formatDuration(Math.round(performance.now() - startedMs));
  const { gateways, scope, upstreams } = status;
  const [self] = gateways;
  const say = list(`gateway ${scope.gateway}`);
  say('control', 'ok', `answers in ${ms}${self === undefined ? '' : `, version ${self.version}`}`);
  if (upstreams.every(({ name }) => name !== service.upstream)) {
    const advice = 'is it the control API of another configuration? name it with --control';
    say('upstream', 'fail', `it has no upstream "${service.upstream}"`, advice);
  }
  for (const { name, state, version, sinceMs } of gateways.slice(1)) {
    const other = list(`gateway ${name}`);
    const since = formatDuration(Math.max(0, nowMs() - sinceMs));
    if (state === 'silent') {
      const advice = 'if it is gone, this passes; if it serves on, it has lost the registry';
      other('lease', 'warn', `silent for ${since}: drains do not wait for it`, advice);
    } else other('lease', 'ok', `live for ${since}, version ${version}`);
    if (self !== undefined && version !== self.version) {
      const text = `runs version ${version}, the one that answers ${self.version}`;
      other('version', 'warn', text, 'bring all gateways to one version');
    }
  }
  const listed = gateways.map(({ name }) => name);
  for (const text of scope.unheard) {
    if (listed.some((name) => text.startsWith(name))) continue;
    list('gateway')('heard', 'warn', `not heard: ${text}`, 'its requests are not counted');
  }
  return findings;
}

function listOf(of: string, findings: Finding[] = []): { say: Say; findings: Finding[] } {
  const say: Say = (what, state, text, advice = '') => {
    findings.push({ of, what, state, text, advice });
  };
  return { say, findings };
}
