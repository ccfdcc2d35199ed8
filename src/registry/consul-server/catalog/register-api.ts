// PUT /v1/catalog/register and /v1/catalog/deregister: entries of nodes that have no agent here.

import { VALUE_BYTES_MAX, type WriteGroup } from '../../embedded.ts';
import type { Decoded, Decoder } from '../go.ts';
import { decodeBody } from '../go.ts';
import type { Query } from '../http.ts';
import { type Answer, jsonAnswer, textAnswer } from '../http.ts';
import { tooLarge } from '../kv-api.ts';
import { inNamespace } from '../namespaces.ts';
import { permissionDenied, type Rights } from '../rights.ts';
import type { ApiContext, Caller, Handler } from '../routes.ts';
import { catalogCheck, deregisterBody, nodeService, registerBody } from './bodies.ts';
import {
  CatalogRefusal,
  deleteCheck,
  deleteNode,
  deleteService,
  ensureCheck,
  ensureNode,
  ensureService,
} from './catalog-writes.ts';
import { CHECKS, NODES, nodeId, onNode, SERVICES } from './entities.ts';
import { nodeProblem, serviceProblem } from './problems.ts';

export function registerHandlers(context: ApiContext): {
  readonly register: Handler;
  readonly deregister: Handler;
} {
  return {
    register: async (_path, query, caller) =>
      carryOut(context, query, caller, registerBody, (body) => {
        const problem = registerProblem(body);
        if (problem !== '') return textAnswer(500, problem);
        if (!mayRegister(context, caller.rights, body)) return permissionDenied();
        return (writes) => register(writes, body, context);
      }),
    deregister: async (_path, query, caller) =>
      carryOut(context, query, caller, deregisterBody, (body) => {
        if (body.Node === '') return textAnswer(500, 'Must provide node');
        if (!mayDeregister(context, caller.rights, body)) return permissionDenied();
        return (writes) => deregister(writes, body, context.clock.wallMs());
      }),
  };
}

/** Reads the body and does what it says as one write. */
async function carryOut<Body extends { readonly Datacenter: string }>(
  context: ApiContext,
  query: Query,
  caller: Caller,
  decoder: Decoder<Body>,
  prepare: (body: Body) => Answer | ((writes: WriteGroup) => void),
): Promise<Answer> {
  const namespaced = inNamespace(query, caller);
  if (namespaced !== undefined) return namespaced;
  const bytes = await caller.readBody(VALUE_BYTES_MAX);
  if (bytes === undefined) return tooLarge(caller.declaredBytes);
  const decoded = decodeBody(bytes, decoder);
  if ('refused' in decoded) return textAnswer(400, `Request decode failed: ${decoded.refused}`);
  const { Datacenter } = decoded.value;
  if (Datacenter !== '' && Datacenter !== context.datacenter) {
    return textAnswer(500, 'No path to datacenter');
  }
  const work = prepare(decoded.value);
  if (typeof work !== 'function') return work;
  try {
    await context.store.transact(work);
  } catch (error) {
    if (error instanceof CatalogRefusal) return textAnswer(500, error.message);
    throw error;
  }
  return jsonAnswer(`true${query.has('pretty') ? '\n' : ''}`);
}

type Registration = Decoded<typeof registerBody>;

function registerProblem(body: Registration): string {
  const problem = nodeProblem(body.Node, body.ID);
  if (problem !== '') return problem;
  if (body.Address === '' && !body.SkipNodeUpdate) {
    return 'Must provide address if SkipNodeUpdate is not set';
  }
  const { Service } = body;
  return Service === null ? '' : serviceProblem(Service, Service.Service);
}

function register(writes: WriteGroup, body: Registration, context: ApiContext): void {
  const exists = NODES.find(writes.table, nodeId(body.Node)) !== undefined;
  if (!exists || !body.SkipNodeUpdate) {
    step('failed inserting node', () =>
      ensureNode(writes, {
        ID: body.ID,
        Node: body.Node,
        Address: body.Address,
        Datacenter: context.datacenter,
        TaggedAddresses: body.TaggedAddresses,
        Meta: body.NodeMeta,
      }),
    );
  }
  const { Service } = body;
  if (Service !== null) {
    const service = { ...nodeService(Service, Service.Service), Node: body.Node };
    step('failed inserting service', () => ensureService(writes, service));
  }
  const checks = [...(body.Checks ?? []), ...(body.Check === null ? [] : [body.Check])];
  for (const each of checks) {
    const check = catalogCheck(each, body.Node);
    if (check.Node !== body.Node) {
      throw new CatalogRefusal(
        `check node ${JSON.stringify(check.Node)} does not match node ${JSON.stringify(body.Node)}`,
      );
    }
    try {
      ensureCheck(writes, check, context.clock.wallMs());
    } catch (error) {
      if (!(error instanceof CatalogRefusal)) throw error;
      throw new CatalogRefusal(
        `failed inserting check: ${error.message} on node ${JSON.stringify(check.Node)}`,
      );
    }
  }
}

function step(what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof CatalogRefusal)) throw error;
    throw new CatalogRefusal(`${what}: ${error.message}`);
  }
}

function deregister(
  writes: WriteGroup,
  { Node, ServiceID, CheckID }: Decoded<typeof deregisterBody>,
  wallMs: number,
): void {
  if (ServiceID !== '') deleteService(writes, Node, ServiceID, wallMs);
  else if (CheckID !== '') deleteCheck(writes, Node, CheckID, wallMs);
  else deleteNode(writes, Node, wallMs);
}

function mayRegister({ store }: ApiContext, rights: Rights, body: Registration): boolean {
  if (rights.unlimited) return true;
  const exists = NODES.find(store.table, nodeId(body.Node)) !== undefined;
  const writesNode = !exists || !body.SkipNodeUpdate;
  if (writesNode && !rights.allows('node', 'write', body.Node)) return false;
  if (body.Service !== null && !rights.allows('service', 'write', body.Service.Service)) {
    return false;
  }
  return [...(body.Checks ?? []), ...(body.Check === null ? [] : [body.Check])].every((check) => {
    if (check.ServiceID === '') return rights.allows('node', 'write', body.Node);
    if (check.ServiceID === body.Service?.ID) return true;
    const known = SERVICES.find(store.table, onNode(body.Node, check.ServiceID));
    return known === undefined || rights.allows('service', 'write', known.value.Service);
  });
}

function mayDeregister(
  { store }: ApiContext,
  rights: Rights,
  { Node, ServiceID, CheckID }: Decoded<typeof deregisterBody>,
): boolean {
  if (rights.allows('node', 'write', Node)) return true;
  const { table } = store;
  const service = SERVICES.find(table, onNode(Node, ServiceID))?.value.Service;
  const checked = CHECKS.find(table, onNode(Node, CheckID))?.value.ServiceName;
  const name = ServiceID === '' ? checked : service;
  return name !== undefined && name !== '' && rights.allows('service', 'write', name);
}
