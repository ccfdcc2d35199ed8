// /v1/health of Consul's HTTP API: the checks of nodes and services, and instances with their checks.

import { type Stored, topicIndex } from '../../embedded.ts';
import { CHECK_FIELDS, INSTANCE_FIELDS } from '../filter.ts';
import { parameter, type Query, textAnswer } from '../http.ts';
import { Lists, nodeMetaOf, tagsOf } from '../lists.ts';
import type { Rights } from '../rights.ts';
import type { ApiContext, Family, Handler } from '../routes.ts';
import { mayReadInstance } from './catalog-api.ts';
import {
  checksIndex,
  checksInState,
  checksOfInstance,
  checksOfNode,
  checksOfService,
  findNode,
  meshServices,
  serviceIndex,
  servicesNamed,
} from './catalog-reads.ts';
import {
  type CatalogCheck,
  type CatalogService,
  CHECKS,
  checkView,
  NODES,
  nodeView,
  SERVICE_GONE,
  SERVICES,
  serviceTopic,
  serviceView,
} from './entities.ts';

export function healthFamily(context: ApiContext): Family {
  const lists = new Lists(context);
  const { store } = context;
  const checks =
    (
      endpoint: string,
      missing: string,
      find: (name: string) => readonly Stored<CatalogCheck>[],
    ): Handler =>
    (name, query, caller) => {
      if (name === '') return textAnswer(400, missing);
      const hasMeta = nodeMetaOf(query);
      return lists.answer(`${endpoint}/${name}`, query, caller, {
        topics: query.has('node-meta') ? [CHECKS.name, NODES.name] : [CHECKS.name],
        index: () => checksIndex(store.table),
        fields: CHECK_FIELDS,
        view: (rights, keeps) =>
          find(name)
            .filter(({ value }) => mayReadCheck(rights, value))
            .filter(
              ({ value }) =>
                endpoint === 'node' ||
                !query.has('node-meta') ||
                hasMeta(findNode(store.table, value.Node)?.value.Meta ?? null),
            )
            .map(checkView)
            .filter(keeps),
      });
    };
  const table = () => store.table;
  return {
    routes: {
      '/v1/health/node/': {
        GET: checks('node', 'Missing node name', (name) => checksOfNode(table(), name)),
      },
      '/v1/health/checks/': {
        GET: checks('checks', 'Missing service name', (name) => checksOfService(table(), name)),
      },
      '/v1/health/state/': {
        GET: checks('state', 'Missing check state', (state) => checksInState(table(), state)),
      },
      '/v1/health/service/': { GET: instances(context, lists, servicesNamed, 'service') },
      '/v1/health/connect/': { GET: instances(context, lists, meshServices, 'connect') },
    },
  };
}

function instances(
  { store }: ApiContext,
  lists: Lists,
  find: typeof servicesNamed,
  endpoint: 'service' | 'connect',
): Handler {
  return (name, query, caller) => {
    if (name === '') return textAnswer(400, 'Missing service name');
    const onlyPassing = passingOf(query);
    if (onlyPassing === undefined) return textAnswer(400, 'Invalid value for ?passing');
    const [hasMeta, hasTags] = [nodeMetaOf(query), tagsOf(query)];
    const table = () => store.table;
    const found = () => find(table(), name);
    const view = (each: Stored<CatalogService>) => {
      const node = findNode(table(), each.value.Node);
      if (node === undefined || !hasMeta(node.value.Meta)) return [];
      const checks = checksOfInstance(table(), each.value);
      return [{ Node: nodeView(node), Service: serviceView(each), Checks: checks.map(checkView) }];
    };
    return lists.answer(`health ${endpoint}/${name}`, query, caller, {
      cached: true,
      topics:
        endpoint === 'service'
          ? [serviceTopic(name), SERVICE_GONE]
          : [SERVICES.name, NODES.name, CHECKS.name],
      index: () =>
        endpoint === 'service'
          ? serviceIndex(table(), name, found().length > 0)
          : topicIndex(table(), SERVICES.name, NODES.name, CHECKS.name),
      fields: INSTANCE_FIELDS,
      view: (rights, keeps) =>
        found()
          .filter(({ value }) => hasTags(value.Tags) && mayReadInstance(rights, value))
          .flatMap(view)
          .filter(keeps)
          .filter(
            ({ Checks }) => !onlyPassing || Checks.every((each) => each.Status === 'passing'),
          ),
    });
  };
}

/** Undefined when the value is none. */
function passingOf(query: Query): boolean | undefined {
  if (!query.has('passing')) return false;
  const value = parameter(query, 'passing');
  if (/^(1|t|T|TRUE|true|True|)$/.test(value)) return true;
  return /^(0|f|F|FALSE|false|False)$/.test(value) ? false : undefined;
}

function mayReadCheck(rights: Rights, { Node, ServiceName }: CatalogCheck): boolean {
  return (
    rights.allows('node', 'read', Node) &&
    (ServiceName === '' || rights.allows('service', 'read', ServiceName))
  );
}
