// /v1/catalog of Consul's HTTP API: what is registered, and registering for other nodes.

import { topicIndex } from '../../embedded.ts';
import { FLAT_SERVICE_FIELDS, NODE_FIELDS, SERVICE_FIELDS } from '../filter.ts';
import type { Query } from '../http.ts';
import { type Answer, textAnswer } from '../http.ts';
import { Lists, nodeMetaOf, tagsOf } from '../lists.ts';
import type { Rights } from '../rights.ts';
import type { ApiContext, Caller, Family, Handler } from '../routes.ts';
import {
  allServices,
  findNode,
  findNodeByNameOrId,
  meshServices,
  nodesIndex,
  serviceIndex,
  servicesIndex,
  servicesNamed,
  servicesOfNode,
} from './catalog-reads.ts';
import {
  type CatalogService,
  flatView,
  NODES,
  nodeView,
  SERVICE_GONE,
  SERVICES,
  serviceTopic,
  serviceView,
} from './entities.ts';
import { registerHandlers } from './register-api.ts';

export function catalogFamily(context: ApiContext): Family {
  const lists = new Lists(context);
  const { register, deregister } = registerHandlers(context);
  return {
    routes: {
      '/v1/catalog/register': { PUT: register },
      '/v1/catalog/deregister': { PUT: deregister },
      '/v1/catalog/nodes': { GET: nodes(context, lists) },
      '/v1/catalog/services': { GET: services(context, lists) },
      '/v1/catalog/service/': { GET: service(context, lists, servicesNamed, 'service') },
      '/v1/catalog/connect/': { GET: service(context, lists, meshServices, 'connect') },
      '/v1/catalog/node/': { GET: nodeServices(context, lists, 'node') },
      '/v1/catalog/node-services/': { GET: nodeServices(context, lists, 'node-services') },
    },
  };
}

function nodes({ store }: ApiContext, lists: Lists): Handler {
  return (_path, query, caller) => {
    const hasMeta = nodeMetaOf(query);
    return lists.answer('nodes', query, caller, {
      namespaced: false,
      topics: [NODES.name],
      index: () => nodesIndex(store.table),
      fields: NODE_FIELDS,
      view: (rights, keeps) =>
        NODES.list(store.table)
          .filter(({ value }) => hasMeta(value.Meta) && rights.allows('node', 'read', value.Node))
          .map(nodeView)
          .filter(keeps),
    });
  };
}

function services({ store }: ApiContext, lists: Lists): Handler {
  return (_path, query, caller) => {
    const hasMeta = nodeMetaOf(query);
    const view = (rights: Rights): object => {
      const { table } = store;
      const tags = new Map<string, Set<string>>();
      for (const { value } of allServices(table)) {
        const { Service, Tags, Node } = value;
        if (!rights.allows('service', 'read', Service)) continue;
        if (query.has('node-meta') && !hasMeta(findNode(table, Node)?.value.Meta ?? null)) {
          continue;
        }
        const known = tags.get(Service) ?? new Set();
        tags.set(Service, known);
        for (const tag of Tags ?? []) known.add(tag);
      }
      return Object.fromEntries(
        [...tags].sort(byName).map(([name, known]) => [name, [...known]] as const),
      );
    };
    return lists.answer('services', query, caller, {
      cached: true,
      topics: [SERVICES.name],
      index: () => servicesIndex(store.table),
      view,
    });
  };
}

function byName([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : 1;
}

function service(
  { store }: ApiContext,
  lists: Lists,
  find: typeof servicesNamed,
  endpoint: string,
): Handler {
  return (name, query, caller) => {
    if (name === '') return textAnswer(400, 'Missing service name');
    const [hasMeta, hasTags] = [nodeMetaOf(query), tagsOf(query)];
    const found = () => find(store.table, name);
    return lists.answer(`${endpoint}/${name}`, query, caller, {
      cached: true,
      topics:
        endpoint === 'service' ? [serviceTopic(name), SERVICE_GONE] : [SERVICES.name, NODES.name],
      index: () =>
        endpoint === 'service'
          ? serviceIndex(store.table, name, found().length > 0)
          : topicIndex(store.table, SERVICES.name, NODES.name),
      fields: FLAT_SERVICE_FIELDS,
      view: (rights, keeps) =>
        found().flatMap((each) => {
          const node = findNode(store.table, each.value.Node)?.value;
          const isWanted =
            node !== undefined &&
            hasMeta(node.Meta) &&
            hasTags(each.value.Tags) &&
            mayReadInstance(rights, each.value);
          const view = isWanted ? flatView(node, each) : undefined;
          return view !== undefined && keeps(view) ? [view] : [];
        }),
    });
  };
}

export function mayReadInstance(rights: Rights, { Node, Service }: CatalogService): boolean {
  return rights.allows('node', 'read', Node) && rights.allows('service', 'read', Service);
}

function nodeServices(
  { store }: ApiContext,
  lists: Lists,
  shape: 'node' | 'node-services',
): (name: string, query: Query, caller: Caller) => Answer | Promise<Answer> {
  return (name, query, caller) => {
    if (name === '') return textAnswer(400, 'Missing node name');
    const node = () => findNodeByNameOrId(store.table, name);
    return lists.answer(`${shape}/${name}`, query, caller, {
      topics: [NODES.name, SERVICES.name],
      index: () => (node() === undefined ? 1 : topicIndex(store.table, NODES.name, SERVICES.name)),
      fields: SERVICE_FIELDS,
      view: (rights, keeps) => {
        const found = node();
        if (found === undefined || !rights.allows('node', 'read', found.value.Node)) {
          return shape === 'node' ? null : { Node: null, Services: null };
        }
        const views = servicesOfNode(store.table, found.value.Node)
          .filter(({ value }) => rights.allows('service', 'read', value.Service))
          .map(serviceView)
          .filter(keeps);
        const Services =
          shape === 'node' ? Object.fromEntries(views.map((view) => [view.ID, view])) : views;
        return { Node: nodeView(found), Services };
      },
    });
  };
}
