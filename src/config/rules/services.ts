// The rules between keys of services: their upstream, their instances, the placeholders.

import {
  type Environment,
  instanceReferenceProblem,
  isInstanceReference,
} from '../../base/secrets.ts';
import { unknownUpstream } from '../../base/suggest.ts';
import { formatAddress, formatDuration, parseAddress } from '../../base/units.ts';
import { serviceRequest } from '../build.ts';
import type { Path } from '../document.ts';
import type { ServiceFile } from '../sections/service.ts';
import { nameProblem } from '../sections/shapes.ts';
import { checkDriver } from './drivers.ts';
import { checkHosts, checkInstances, placesOf } from './instances.ts';
import { followsAny } from './registries.ts';
import { checkTemplate } from './templates.ts';
import { checkFields, type Findings, type Part, type Parts } from './upstreams.ts';

export function applyServiceRules(
  parts: Parts,
  environment: Environment,
  findings: Findings,
): void {
  /** Instance → the service that has it: two would start on one port. */
  const owners = new Map<string, string>();
  checkHosts(parts.hosts, findings);
  for (const [name, service] of parts.services) {
    const wrongName = nameProblem(name);
    if (wrongName !== '') findings.problem(service.path, wrongName, 'key');
    checkInstances([name, service], parts.hosts, owners, findings);
    checkUpstream(name, service, parts, findings);
    if (service.value === undefined) continue;
    checkTemplates(service.value, service.path, findings);
    checkEnvironment(service.value, service.path, findings);
    checkDriver(service.value, service.path, findings);
    const checkPath = [...service.path, 'check'];
    const { stable, deadline } = service.value.check;
    if (stable >= deadline) {
      const most = formatDuration(deadline);
      findings.problem(
        [...checkPath, 'stable'],
        `does not fit into the deadline of ${most}; write less, or a longer deadline`,
      );
    }
    checkFields(
      service.value.check.headers ?? {},
      [...checkPath, 'headers'],
      environment,
      findings,
    );
    const { port } = serviceRequest(
      service.value,
      parts.upstreams.get(service.value.upstream ?? name)?.value,
    );
    const hosts = placesOf(service, parts.hosts).map(([, id]) => parseAddress(id)?.host);
    if (port !== undefined && port !== 0 && new Set(hosts).size < hosts.length) {
      findings.warning(
        [...checkPath, 'port'],
        `instances of one host are all asked at port ${port}, so one may answer for another; write port: 0 here to ask each at its own port`,
      );
    }
  }
}

function checkUpstream(
  name: string,
  service: Part<ServiceFile>,
  parts: Parts,
  findings: Findings,
): void {
  if (service.value === undefined) return;
  const upstreamName = service.value.upstream ?? name;
  const upstream = parts.upstreams.get(upstreamName);
  if (upstream === undefined) {
    const known = [...parts.upstreams.keys()];
    const isGiven = service.value.upstream !== undefined;
    const path = isGiven ? [...service.path, 'upstream'] : service.path;
    findings.problem(path, unknownUpstream(upstreamName, known), isGiven ? 'value' : 'key');
    return;
  }
  if (upstream.value === undefined || followsAny(upstream.value, parts)) return;
  const ids = new Set(upstream.value.servers.map((server) => formatAddress(server.address)));
  for (const [path, id] of placesOf(service, parts.hosts)) {
    if (ids.has(id)) continue;
    findings.warning(
      path,
      `${id} is no server of upstream "${upstreamName}", which does not follow a registry; it would never get requests`,
    );
  }
}

function checkTemplates(service: ServiceFile, path: Path, findings: Findings): void {
  const { start = [] } = service;
  for (const [index, word] of start.entries()) {
    if (start.length === 1 && /["'`$|&;<>\\]/.test(word) && /\s/.test(word)) {
      const message =
        'has quotes or shell signs, but there is no shell; write a list of words: [node, app.js]';
      findings.problem([...path, 'start'], message);
    } else if (index === 0 && /^\w+=/.test(word)) {
      const [assignment = ''] = word.split(/\s/);
      const [name = ''] = assignment.split('=');
      const message = `begins with a variable, but there is no shell; write env: { ${name.slice(0, 40)}: … }`;
      findings.problem([...path, 'start'], message);
    } else if (word.trim() === '' && index === 0) {
      findings.problem([...path, 'start'], 'names no program; write one');
    }
    checkTemplate(word, [...path, 'start', index], findings);
  }
}

function checkEnvironment(service: ServiceFile, path: Path, findings: Findings): void {
  for (const key of ['env', 'secrets'] as const) {
    for (const [name, value] of Object.entries(service[key])) {
      const at = [...path, key, name];
      if (!/^[A-Za-z_]\w*$/.test(name)) {
        findings.problem(at, 'is not a variable name; write letters, digits and _', 'key');
      }
      // The value is not shown: it may be the secret itself.
      if (key === 'secrets' && !isInstanceReference(value)) {
        const message = 'is no reference; write env:NAME, file:/path or cmd:program word';
        findings.problem(at, message);
      } else if (key === 'secrets' && Object.hasOwn(service.env, name)) {
        findings.problem(at, 'is in env, too; remove one', 'key');
      }
      const malformed = instanceReferenceProblem(value);
      if (malformed !== '') findings.problem(at, malformed);
      checkTemplate(value, at, findings);
    }
  }
}
