// An instance with its node and its checks, as health and prepared queries show it.

import type { KeyTable, Stored } from '../../embedded.ts';
import { checksOfInstance, findNode, servicesNamed } from './catalog-reads.ts';
import { type CatalogService, checkView, nodeView, serviceView } from './entities.ts';

export type InstanceView = {
  readonly Node: ReturnType<typeof nodeView>;
  readonly Service: ReturnType<typeof serviceView>;
  readonly Checks: readonly ReturnType<typeof checkView>[];
};

/** Those of the service that may be read. */
export function instancesOf(
  table: KeyTable,
  service: string,
  mayRead: (instance: CatalogService) => boolean,
): readonly InstanceView[] {
  return servicesNamed(table, service)
    .filter(({ value }) => mayRead(value))
    .flatMap((instance) => viewOf(table, instance));
}

function viewOf(table: KeyTable, instance: Stored<CatalogService>): readonly InstanceView[] {
  const node = findNode(table, instance.value.Node);
  if (node === undefined) return [];
  const checks = checksOfInstance(table, instance.value);
  return [{ Node: nodeView(node), Service: serviceView(instance), Checks: checks.map(checkView) }];
}
