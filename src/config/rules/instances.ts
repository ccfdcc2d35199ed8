// The rules of hosts, and of where the instances of services are: one way of saying it, known hosts, no
// instance twice, and for hosts behind ssh what only they need.

import { isAbsolute } from 'node:path';
import { didYouMean } from '../../base/suggest.ts';
import { formatAddress } from '../../base/units.ts';
import type { Path } from '../document.ts';
import { hostsMeant, instancesOf } from '../instances.ts';
import type { ServiceFile } from '../sections/service.ts';
import { nameProblem } from '../sections/shapes.ts';
import { show } from '../sections/values.ts';
import { addressesIn, type Findings, type Part, type Parts } from './upstreams.ts';

type Hosts = Parts['hosts'];
type Service = readonly [name: string, service: Part<ServiceFile>];

export function checkHosts(hosts: Hosts, findings: Findings): void {
  for (const [name, { path }] of hosts) {
    const wrong = nameProblem(name);
    if (wrong !== '') findings.problem(path, wrong, 'key');
  }
}

/** `owners`: instance → the service that has it, filled here: two would start on one port. */
export function checkInstances(
  [name, service]: Service,
  hosts: Hosts,
  owners: Map<string, string>,
  findings: Findings,
): void {
  const isSound = checkKeys(service, findings);
  if (service.value !== undefined && isSound) checkNames(service.value, service, hosts, findings);
  for (const [path, id] of placesOf(service, hosts)) {
    const owner = owners.get(id);
    if (owner !== undefined) {
      const whose = owner === name ? 'is listed already' : `is an instance of ${owner} already`;
      findings.problem(path, `${id} ${whose}; remove one`);
    }
    owners.set(id, owner ?? name);
  }
  checkRemote(service, hosts, findings);
}

/** Each instance that can be read, with the place that says it. */
export function placesOf(service: Part<ServiceFile>, hosts: Hosts): (readonly [Path, string])[] {
  const known = knownHosts(hosts);
  if (service.value === undefined || service.value.hosts === undefined) {
    return [...addressesIn(service.raw, 'instances')].flatMap(([index, { host, port }]) => {
      const instances = instancesOf({ instances: [{ host, port }] }, known);
      return instances.map(({ id }) => [[...service.path, 'instances', index], id] as const);
    });
  }
  const { hosts: names = [], ports = [] } = service.value;
  return [...new Set(names)].flatMap((name) =>
    instancesOf({ hosts: [name], ports: [...new Set(ports)] }, known).map(({ id }) => {
      return [[...service.path, 'hosts', names.indexOf(name)], id] as const;
    }),
  );
}

/** True when it is said in one way. */
function checkKeys({ raw, path }: Part<ServiceFile>, findings: Findings): boolean {
  const has = (key: string): boolean => isMap(raw) && raw[key] !== undefined;
  const say = (key: string, message: string): false => {
    findings.problem([...path, key], message);
    return false;
  };
  if (has('instances')) {
    if (has('hosts')) return say('instances', 'is given beside hosts; keep one of the two');
    if (!has('ports')) return true;
    return say('ports', 'belongs to hosts, and instances have ports of their own; remove it');
  }
  if (has('hosts'))
    return has('ports') || say('hosts', 'has no ports beside it; write ports: [9001]');
  if (has('ports')) return say('ports', 'has no hosts beside it; write hosts: [app-1]');
  return say('instances', 'is missing; write it, or hosts: [app-1] and ports: [9001]');
}

function checkNames(
  { hosts: names = [], ports = [], instances = [] }: ServiceFile,
  service: Part<ServiceFile>,
  hosts: Hosts,
  findings: Findings,
): void {
  for (const [index, name] of names.entries()) {
    const path = [...service.path, 'hosts', index];
    if (!hosts.has(name)) findings.problem(path, unknownHost(name, [...hosts.keys()]));
    else if (names.indexOf(name) < index)
      findings.problem(path, `${name} is listed already; remove one`);
  }
  for (const [index, port] of ports.entries()) {
    if (ports.indexOf(port) === index) continue;
    findings.problem([...service.path, 'ports', index], `${port} is listed already; remove one`);
  }
  for (const [index, { host, port }] of instances.entries()) {
    const meant = hostsMeant(host, knownHosts(hosts));
    const [first = '', second] = meant;
    if (second === undefined) continue;
    const message = `${formatAddress({ host, port })} may be on ${meant.join(' or ')}; write the name, as ${first}:${port}`;
    findings.problem([...service.path, 'instances', index], message);
  }
}

function unknownHost(name: string, known: readonly string[]): string {
  const advice =
    known.length === 0
      ? 'write hosts: { app-1: { address: 10.0.0.11, ssh: deploy@10.0.0.11 } } at the top of the file'
      : didYouMean(name, known);
  return `${show(name)} is no host; ${advice}`;
}

/** Paths of our own machine mean nothing on another one. */
function checkRemote(service: Part<ServiceFile>, hosts: Hosts, findings: Findings): void {
  const { value, path } = service;
  if (value === undefined) return;
  const remote = instancesOf(value, knownHosts(hosts)).find(
    ({ hostName }) => hosts.get(hostName)?.value?.ssh !== undefined,
  );
  // That of an artifact starts in the folder of the version.
  if (remote === undefined || isAbsolute(value.cwd) || value.artifact !== undefined) return;
  const isGiven = value.cwd !== '.';
  findings.problem(
    isGiven ? [...path, 'cwd'] : path,
    `${isGiven ? `${show(value.cwd)} is` : 'the cwd is'} no absolute path, and ${remote.hostName} is behind ssh; write cwd: /srv/app, the folder there`,
    isGiven ? 'value' : 'key',
  );
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function knownHosts(hosts: Hosts): ReadonlyMap<string, { readonly address: string }> {
  const known = [...hosts].map(([name, { value }]) => [name, value] as const);
  return new Map(known.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
