// What an endpoint is. A family of endpoints (KV, sessions, …) is a file that makes its routes from
// the context, and a line in families.ts. A path that ends in a slash stands for all below it.

import type { Log } from '../../base/log.ts';
import type { Address } from '../../base/units.ts';
import type { Store } from '../embedded.ts';
import type { Identities } from './acl.ts';
import type { Definitions } from './agent.ts';
import type { Answer, Blocking, Clock, ParkedQueries, Query, QueryOptions } from './http.ts';
import type { Rights } from './rights.ts';

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

/** An answer that comes later, without a promise: thousands may be waiting. */
export type Later = {
  /** Starts to wait; one of the two is called, once. */
  whenAnswered(settle: (answer: Answer) => void, fail: (error: unknown) => void): void;
};

export type Reply = Answer | Promise<Answer> | Later;

/** `path`: what follows the endpoint's name, '' when the name is the whole path. */
export type Handler = (path: string, query: Query, caller: Caller) => Reply;
export type Endpoint = Readonly<Partial<Record<Method, Handler>>>;

/** Whoever sent the request: what a handler needs beyond the target. */
export type Caller = {
  readonly declaredBytes: number;
  /** The X-Consul-Namespace field, '' when there is none. */
  readonly namespace: string;
  /** The token that it was sent with, '' for none. */
  readonly secret: string;
  /** @throws Refusal `ACL not found` when nobody has that token */
  /** The Accept field, '' when there is none. */
  readonly accepts: string;
  readonly rights: Rights;
  /** Undefined when the body is over the limit. No promise where it is here already. */
  readBody(bytesMax: number): Body | Promise<Body>;
  /** A body of any size as it comes, for whoever need not hold it. */
  bodyStream(): AsyncIterable<Uint8Array>;
  /** Calls back once, when the client leaves before its answer; returns the way to stop listening. One at a time. */
  onGone(callback: () => void): () => void;
};

type Body = Buffer | undefined;

/** What the catalog says of nodes and their checks, for those that depend on them. */
export type CheckStatus = {
  hasNode(node: string): boolean;
  /** Undefined: there is no such check. */
  statusOf(node: string, checkId: string): string | undefined;
};

/** What the families of one API share. */
export type ApiContext = {
  readonly store: Store;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly datacenter: string;
  readonly nodeName: string;
  readonly nodeId: string;
  readonly nodeMeta: Readonly<Record<string, string>>;
  /** Whether checks may be commands. */
  readonly scripts: boolean;
  /** Where the API listens. */
  readonly address: Address;
  /** What is told of it as the leader; Consul's servers talk there, ours is the API's own. */
  readonly serverAddress: Address;
  /** Services and checks that stand in a configuration. */
  readonly definitions: () => Definitions;
  /** Whether it is taken for Consul's program, whose index is never 1. */
  readonly standsIn: boolean;
  readonly checks: CheckStatus;
  /** Undefined: no access control, everybody may do everything. */
  readonly identities: Identities | undefined;
  readonly parked: ParkedQueries;
  readonly blocking: Blocking;
  /** The parameters that all endpoints share, or the refusal. */
  readonly optionsOf: (query: Query) => QueryOptions | Answer;
};

export type Family = {
  readonly routes: Readonly<Record<string, Endpoint>>;
  /** What it writes before the first request; a disk that refuses does not keep the API from serving. */
  readonly opened?: Promise<void>;
  /** Stops its timers; called before the API closes. */
  readonly close?: () => void;
  /** What a renewal by request does, for the process itself; false: there is no such session. */
  readonly renewSession?: (id: string) => boolean;
};

export type OpenFamily = (context: ApiContext) => Family;
