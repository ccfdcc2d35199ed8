// What the registry has of one upstream, and what of it has changed.

import type { UpstreamConfig } from '../../config.ts';
import type { Instance, Membership } from '../../registry.ts';

export function registeredIn(
  membership: Membership | undefined,
  { name, followRegistry }: UpstreamConfig,
): Map<string, Instance> {
  const instances = followRegistry ? (membership?.services.get(name) ?? []) : [];
  return new Map(instances.map((instance) => [instance.id, instance]));
}

/** What is different in the list of an upstream: those in their places, or the list itself. */
export function changedInstances(
  name: string,
  last: Membership | undefined,
  next: Membership,
): readonly Instance[] | 'all' {
  if (last === undefined) return 'all';
  const isHeld = next.held.includes(name);
  if (last.held.includes(name) !== isHeld) return 'all';
  const before = last.services.get(name);
  const after = next.services.get(name);
  if (before === after) return [];
  if (before === undefined || after === undefined || before.length !== after.length) return 'all';
  const changed: Instance[] = [];
  for (const [place, instance] of after.entries()) {
    const known = before[place];
    if (known === instance) continue;
    if (known?.id !== instance.id) return 'all';
    changed.push(instance);
  }
  return changed;
}
