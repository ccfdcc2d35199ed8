// Operations of a transaction on nodes, services and checks: how they are read, who may do them, and
// what they do as steps of one write.

import type { KeyTable, Stored, WriteGroup } from '../../embedded.ts';
import { type Decoded, decode, optional, struct, text } from '../go.ts';
import type { Rights } from '../rights.ts';
import { catalogCheck, healthCheckBody, nodeBody, nodeService, nodeServiceBody } from './bodies.ts';
import {
  CatalogRefusal,
  deleteCheck,
  deleteNode,
  deleteService,
  ensureCheck,
  ensureNode,
  ensureService,
} from './catalog-writes.ts';
import {
  CHECKS,
  checkView,
  NODES,
  nodeId,
  nodeView,
  onNode,
  SERVICES,
  serviceView,
} from './entities.ts';
import { nodeProblem, serviceProblem } from './problems.ts';

const nodeOperation = struct('api.NodeTxnOp', { Verb: text, Node: optional(nodeBody) });
const serviceOperation = struct('api.ServiceTxnOp', {
  Verb: text,
  Node: text,
  Service: optional(nodeServiceBody),
});
const checkOperation = struct('api.CheckTxnOp', { Verb: text, Check: optional(healthCheckBody) });

export type CatalogOperation = {
  readonly kind: 'Node' | 'Service' | 'Check';
  readonly verb: string;
  /** `node "n"`, as a refusal names it. */
  readonly name: string;
  readonly index: number;
  /** Why it can never be done; '' when it can. */
  readonly problem: string;
  readonly mayDo: (rights: Rights, table: KeyTable) => boolean;
  readonly find: (table: KeyTable) => Stored<unknown> | undefined;
  readonly view: (table: KeyTable) => object | undefined;
  readonly put: (writes: WriteGroup, wallMs: number) => void;
  readonly remove: (writes: WriteGroup, wallMs: number) => void;
  readonly mayRead: (rights: Rights, table: KeyTable) => boolean;
};

/** @throws Refused */
export function readCatalogOperation(
  kind: CatalogOperation['kind'],
  body: unknown,
  datacenter: string,
): CatalogOperation {
  const place = `struct field TxnOp.${kind}`;
  if (kind === 'Node') return ofNode(decode(body, nodeOperation, place), datacenter);
  if (kind === 'Service') return ofService(decode(body, serviceOperation, place));
  return ofCheck(decode(body, checkOperation, place));
}

function ofNode(
  { Verb, Node }: Decoded<typeof nodeOperation>,
  datacenter: string,
): CatalogOperation {
  const { CreateIndex: _, ModifyIndex, ...node } = Node ?? nodeBody.zero;
  const find = (table: KeyTable) =>
    node.ID === ''
      ? NODES.find(table, nodeId(node.Node))
      : NODES.list(table).find(({ value }) => value.ID === node.ID);
  return {
    kind: 'Node',
    verb: Verb,
    name: `node ${JSON.stringify(node.Node)}`,
    index: ModifyIndex,
    problem: nodeProblem(node.Node, node.ID),
    mayDo: (rights) => rights.allows('node', 'write', node.Node),
    mayRead: (rights) => rights.allows('node', 'read', node.Node),
    find,
    view: (table) => {
      const found = find(table);
      return found === undefined ? undefined : nodeView(found);
    },
    put: (writes) =>
      ensureNode(writes, {
        ...node,
        Datacenter: node.Datacenter === '' ? datacenter : node.Datacenter,
      }),
    remove: (writes, wallMs) => deleteNode(writes, node.Node, wallMs),
  };
}

function ofService({ Verb, Node, Service }: Decoded<typeof serviceOperation>): CatalogOperation {
  const body = Service ?? nodeServiceBody.zero;
  const service = { ...nodeService(body, body.Service), Node };
  const find = (table: KeyTable) => SERVICES.find(table, onNode(Node, service.ID));
  return {
    kind: 'Service',
    verb: Verb,
    name: `service ${JSON.stringify(service.ID)} on node ${JSON.stringify(Node)}`,
    index: body.ModifyIndex,
    problem: serviceProblem(body, body.Service),
    mayDo: (rights, table) => {
      const last = find(table)?.value.Service ?? body.Service;
      return [body.Service, last].every((name) => rights.allows('service', 'write', name));
    },
    mayRead: (rights, table) =>
      rights.allows('service', 'read', find(table)?.value.Service ?? body.Service),
    find,
    view: (table) => {
      const found = find(table);
      return found === undefined ? undefined : { ...serviceView(found), Tags: found.value.Tags };
    },
    put: (writes) => ensureService(writes, service),
    remove: (writes, wallMs) => deleteService(writes, Node, service.ID, wallMs),
  };
}

function ofCheck({ Verb, Check }: Decoded<typeof checkOperation>): CatalogOperation {
  const body = Check ?? healthCheckBody.zero;
  const check = catalogCheck(body, body.Node);
  const find = (table: KeyTable) => CHECKS.find(table, onNode(check.Node, check.CheckID));
  const may = (rights: Rights, table: KeyTable, access: 'read' | 'write'): boolean => {
    if (check.ServiceID === '') return rights.allows('node', access, check.Node);
    const service = SERVICES.find(table, onNode(check.Node, check.ServiceID))?.value.Service;
    return rights.allows('service', access, service ?? check.ServiceName);
  };
  return {
    kind: 'Check',
    verb: Verb,
    name: `check ${JSON.stringify(check.CheckID)} on node ${JSON.stringify(check.Node)}`,
    index: body.ModifyIndex,
    problem: '',
    mayDo: (rights, table) => may(rights, table, 'write'),
    mayRead: (rights, table) => may(rights, table, 'read'),
    find,
    view: (table) => {
      const found = find(table);
      if (found === undefined) return undefined;
      return { ...checkView(found), ServiceTags: found.value.ServiceTags };
    },
    put: (writes, wallMs) => ensureCheck(writes, check, wallMs),
    remove: (writes, wallMs) => deleteCheck(writes, check.Node, check.CheckID, wallMs),
  };
}

/** What is to be shown of it, at most one, or why it failed. */
export function applyCatalogOperation(
  writes: WriteGroup,
  operation: CatalogOperation,
  wallMs: number,
): readonly object[] | string {
  const { kind, verb, name, index, find, view, problem } = operation;
  const { table } = writes;
  if (verb !== 'get' && problem !== '') return problem;
  const found = find(table);
  const isStale = (found?.modifyIndex ?? 0) !== index;
  try {
    switch (verb) {
      case 'get':
        if (found === undefined) return `${name} doesn't exist`;
        break;
      case 'set':
        operation.put(writes, wallMs);
        break;
      case 'cas':
        if (isStale) return `failed to set ${name}, index is stale`;
        operation.put(writes, wallMs);
        break;
      case 'delete':
        operation.remove(writes, wallMs);
        return [];
      case 'delete-cas':
        if (found === undefined || isStale) return `failed to delete ${name}, index is stale`;
        operation.remove(writes, wallMs);
        return [];
      default:
        return `unknown ${kind} verb ${JSON.stringify(verb)}`;
    }
  } catch (error) {
    if (error instanceof CatalogRefusal) return error.message;
    throw error;
  }
  const shown = view(table);
  return shown === undefined ? [] : [{ [kind]: shown }];
}
