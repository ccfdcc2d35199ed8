// The catalog: nodes, the services on them and their checks.

export {
  checkAliases,
  checkDefinition,
  checkMembers,
  checkType,
  nodeService,
  noneIfEmpty,
  serviceAliases,
  serviceMembers,
} from './catalog/bodies.ts';
export { catalogFamily, mayReadInstance } from './catalog/catalog-api.ts';
export { checkStatus } from './catalog/catalog-reads.ts';
export {
  applyCatalogOperation,
  type CatalogOperation,
  readCatalogOperation,
} from './catalog/catalog-txn.ts';
export {
  CatalogRefusal,
  deleteCheck,
  deleteNode,
  deleteService,
  ensureCheck,
  ensureService,
} from './catalog/catalog-writes.ts';
export {
  type CatalogCheck,
  type CatalogNode,
  CHECKS,
  type CheckDefinition,
  NODES,
  type NodeService,
  nodeId,
  nodePrefix,
  onNode,
  plainCheck,
  proxyView,
  SERVICES,
  type ServiceAddress,
} from './catalog/entities.ts';
export { healthFamily } from './catalog/health-api.ts';
export { type InstanceView, instancesOf } from './catalog/instances.ts';
export {
  isAnyAddress,
  kindProblem,
  metaProblem,
  problemList,
  weightsProblem,
} from './catalog/problems.ts';
