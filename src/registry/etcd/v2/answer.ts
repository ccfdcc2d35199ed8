// What etcd's v2 API answers: a tree of nodes, folders and values, each with the index of its last change.

import type { KvEntry } from '../../record-store.ts';
import type { EtcdReply } from '../transport.ts';

export type V2Node = {
  /** Without the slash that it begins with. */
  readonly key: string;
  /** Undefined: a folder. */
  readonly value: string | undefined;
  readonly nodes: readonly V2Node[];
  readonly createdIndex: number;
  readonly modifiedIndex: number;
  /** It vanishes when nobody renews it. */
  readonly isLeased: boolean;
};

/** @throws Error when it is not an answer of etcd. */
export function nodeOf(reply: EtcdReply): V2Node {
  let document: unknown;
  try {
    document = JSON.parse(reply.body.toString());
  } catch {
    throw new Error('answer is not JSON');
  }
  if (typeof document !== 'object' || document === null) throw new Error('answer is not an object');
  // The cast only names the field; it is checked below.
  return parseNode((document as { readonly node?: unknown }).node);
}

function parseNode(item: unknown): V2Node {
  if (typeof item !== 'object' || item === null) throw new Error('node is not an object');
  // The cast only names the fields; each is checked below.
  const fields = item as Readonly<Record<string, unknown>>;
  const { key = '/', value, nodes = [], dir } = fields;
  const [createdIndex = 0, modifiedIndex = 0] = [fields['createdIndex'], fields['modifiedIndex']];
  if (typeof key !== 'string' || !key.startsWith('/')) throw new Error('node without a key');
  const isFolder = dir === true;
  if (!isFolder && typeof value !== 'string') throw new Error(`node "${key}" has no value`);
  if (!Array.isArray(nodes)) throw new Error(`node "${key}" has bad nodes`);
  if (typeof createdIndex !== 'number' || typeof modifiedIndex !== 'number') {
    throw new Error(`node "${key}" has no index`);
  }
  return {
    key: key.slice(1),
    value: typeof value === 'string' && !isFolder ? value : undefined,
    nodes: nodes.map(parseNode),
    createdIndex,
    modifiedIndex,
    isLeased: fields['ttl'] !== undefined,
  };
}

/** The record of a node; `root` is what stands before its key. Undefined for a folder. */
export function entryOf({ key, value, ...node }: V2Node, root: string): KvEntry | undefined {
  if (value === undefined || !key.startsWith(root)) return undefined;
  return {
    key: key.slice(root.length),
    value: Buffer.from(value),
    flags: '0',
    createIndex: node.createdIndex,
    modifyIndex: node.modifiedIndex,
    lockIndex: 0,
    ...(node.isLeased ? { session: 'expires' } : {}),
  };
}

/** All records of a tree whose keys begin like this, in the order of the bytes of their keys. */
export function entriesOf(node: V2Node, root: string, prefix: string): readonly KvEntry[] {
  const entries: KvEntry[] = [];
  const collect = (one: V2Node): void => {
    const entry = entryOf(one, root);
    if (entry?.key.startsWith(prefix)) entries.push(entry);
    for (const child of one.nodes) collect(child);
  };
  collect(node);
  return entries.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
}
