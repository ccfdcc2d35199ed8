// The rules of the sections `registry` and `registries`, and of what an upstream says of them.

import { type Environment, readSecret } from '../../base/secrets.ts';
import { didYouMean } from '../../base/suggest.ts';
import { type Address, formatAddress, isLoopback } from '../../base/units.ts';
import type { Path } from '../document.ts';
import { DEFAULT_REGISTRY, NO_REGISTRY_NAMES } from '../sections/follows.ts';
import { chosenKind, chosenKinds, DEFAULT_ONLY, type RegistryKinds } from '../sections/registry.ts';
import { nameProblem } from '../sections/shapes.ts';
import type { UpstreamFile } from '../sections/upstream.ts';
import { show } from '../sections/values.ts';
import type { Findings, Part, Parts } from './upstreams.ts';

export function checkRegistries(parts: Parts, environment: Environment, findings: Findings): void {
  checkRegistry(parts.registry, environment, findings);
  for (const [name, registry] of parts.registries) {
    const wrong = NO_REGISTRY_NAMES.has(name)
      ? 'is no name for a registry, because it says something else where upstreams follow one; write another'
      : nameProblem(name);
    if (wrong !== '') findings.problem(registry.path, wrong, 'key');
    checkRegistry(registry, environment, findings);
    const { value } = registry;
    if (value === undefined) continue;
    const kind = chosenKinds(value).at(0)?.kind;
    if (kind !== undefined && !DEFAULT_ONLY.has(kind)) continue;
    const path = kind === undefined ? registry.path : [...registry.path, kind];
    const remedy = 'write another kind here, like consul: { addresses: 127.0.0.1:8500 }';
    const what = kind === undefined ? 'has no kind' : 'is for the section registry alone';
    findings.problem(path, `${what}; ${remedy}`, 'key');
  }
}

function checkRegistry(
  { path, value }: Part<RegistryKinds>,
  environment: Environment,
  findings: Findings,
): void {
  if (value === undefined) return;
  const chosen = chosenKinds(value).map(({ kind }) => kind);
  if (chosen.length > 1) {
    const extra = chosen.at(-1) ?? '';
    const message = `${chosen.join(' and ')} exclude each other; keep one`;
    findings.problem([...path, extra], message, 'key');
    return;
  }
  const found = chosenKind(value);
  for (const [key, text] of Object.entries(found.secrets)) {
    const secret = readSecret(text, environment);
    if ('problem' in secret) findings.problem([...path, found.kind, key], secret.problem);
  }
  for (const [key, message] of Object.entries(found.problems)) {
    if (message !== '') findings.problem([...path, found.kind, key], message);
  }
  // The default address is on loopback: what is said here stands in the file.
  const hasToken = found.secrets['token'] !== undefined;
  const open = found.listen === undefined ? '' : opennessOf(found.listen, hasToken);
  if (open !== '') findings.warning([...path, found.kind, 'listen'], open);
}

/** What it means that the embedded registry listens there; '' for loopback, and with access control. */
export function opennessOf(listen: Address, hasToken = false): string {
  if (hasToken || isLoopback(listen.host)) return '';
  return `${formatAddress(listen)} can be reached from other machines and has no access control; anyone there can change the servers: set registry.embedded.token`;
}

/** What is wrong with the registries that an upstream follows. */
export function checkFollows(
  upstream: UpstreamFile,
  path: Path,
  parts: Parts,
  findings: Findings,
): void {
  const known = registriesByName(parts);
  for (const { registry, service } of upstream.registry) {
    const part = known.get(registry);
    if (part === undefined) {
      const message = `${show(registry)} is no registry of this file; ${didYouMean(registry, [...known.keys()])}`;
      findings.problem([...path, 'registry'], message);
      continue;
    }
    const { value } = part;
    if (value === undefined || chosenKinds(value).length > 1) continue;
    const wrong = chosenKind(value).serviceProblem(service);
    if (wrong !== '') findings.problem([...path, 'registry'], `${registry} ${wrong}`);
  }
  if (upstream.servers.length > 0 || followsAny(upstream, parts)) return;
  const remedy =
    parts.registry.value?.none === true ? 'add servers' : 'add servers, or registry: on';
  findings.problem(path, `has no servers and does not follow a registry; ${remedy}`, 'key');
}

/** False: its servers are those of the file alone. */
export function followsAny(upstream: UpstreamFile, parts: Parts): boolean {
  const known = registriesByName(parts);
  return upstream.registry.some(({ registry }) => {
    const value = known.get(registry)?.value;
    return value === undefined || value.none !== true || chosenKinds(value).length > 1;
  });
}

function registriesByName({ registry, registries }: Parts): Map<string, Part<RegistryKinds>> {
  return new Map([[DEFAULT_REGISTRY, registry], ...registries]);
}
