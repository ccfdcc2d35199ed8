// What gateways write for each other into their registry, and its reading with distrust. Below a prefix
// of our own, `sluice/`, so that nobody who reads the servers' records finds it:
//
//   shared/gateways/<gateway>            who it is; stays until it leaves or is forgotten
//   shared/alive/<gateway>               its lease: vanishes when it does not renew it
//   shared/intents/<upstream>            every server that somebody took out; by compare-and-set
//   shared/receipts/<receipt>            somebody wants the counts
//   seen/applied/<gateway>               how far it follows the registry
//   seen/views/<gateway>/<upstream>      what that gateway sees of the upstream
//   seen/receipts/<receipt>/<gateway>    the counts of that gateway

import {
  type Admin,
  type AdminState,
  ELIGIBILITIES,
  type Eligibility,
  isRecordOwner,
} from '../model.ts';

export type GatewayDocument = {
  /** For people: `pid 4711 on web-1`. */
  readonly name: string;
  readonly version: string;
  /** `host:port` of its control API. */
  readonly control: string;
  readonly startedAtMs: number;
  /** Upstreams that it sends requests to. */
  readonly upstreams: readonly string[];
  /** The gateway that ran on the same `state_dir` before: there is one at a time, so that one is dead. */
  readonly replaces?: string;
};

/** One server that is out. */
export type Intent = {
  readonly admin: Admin;
  /** The gateway that wrote it, for people. */
  readonly by: string;
};

export type IntentsDocument = {
  /** Another one with each write: whoever has the same has the same intents. */
  readonly token: string;
  /** Words so far; it goes on where the record was lost. A copy that is put back has a lower one. 0: an older program wrote it. */
  readonly count: number;
  /** Of whoever began to count. Another one: what was said before is not known there. */
  readonly line: string;
  /** By server id. */
  readonly servers: ReadonlyMap<string, Intent>;
};

/** A server that takes no requests somewhere, as one gateway sees it. */
export type ServerView = {
  readonly eligibility: Eligibility;
  readonly inFlight: number;
  readonly tunnels: number;
  readonly streams: number;
  /** Every worker knows that it is out, and nothing is in flight. */
  readonly idle: boolean;
  /** Where its record took it out: how far the registry was seen by then; else 0. */
  readonly index: number;
};

export type ViewDocument = {
  /** Of the intents that all its workers have in force; '' = it has seen none. */
  readonly token: string;
  /** Servers of the upstream that count as capacity there. */
  readonly capacity: number;
  /** All others, by id. */
  readonly out: ReadonlyMap<string, ServerView>;
};

export type AppliedDocument = {
  /** Of the registry, as all its workers have it in force; 0 = nothing yet. */
  readonly index: number;
  readonly generation: number;
};

export type AskDocument = {
  readonly upstream: string;
  /** Rises with each question. */
  readonly asked: number;
  /** Who asks: it knows its own counts. */
  readonly asker: string;
  /** The gateways that were there when the receipt was opened; any other counts from its start. */
  readonly present: readonly string[];
  /** Those of them that did not answer then: what they counted begins later. */
  readonly late: readonly string[];
};

export type AnswerDocument = {
  /** The question that this answers. */
  readonly asked: number;
  readonly name: string;
  /** Of its wall clock. */
  readonly atMs: number;
  /** It has ended, and these are its last counts. */
  readonly isFinal: boolean;
  /** It has counted since the receipt was opened, or since its own start. */
  readonly isWhole: boolean;
  /** A receipt document of that gateway alone; whoever knows its shape checks it. */
  readonly receipt: unknown;
};

export function intentsText({ token, count, line, servers }: IntentsDocument): string {
  const entries = [...servers].map(([id, { admin, by }]) => [id, { ...admin, by }]);
  return JSON.stringify({ token, count, line, servers: Object.fromEntries(entries) });
}

export function viewText({ token, capacity, out }: ViewDocument): string {
  const entries = [...out].map(([id, view]) => [
    id,
    [
      ...[view.eligibility, view.inFlight, view.tunnels, view.idle ? 1 : 0, view.index],
      view.streams,
    ],
  ]);
  return JSON.stringify({ token, capacity, out: Object.fromEntries(entries) });
}

/** Each parser gives undefined for what is not such a document. */
export function parseGateway(text: string): GatewayDocument | undefined {
  const value = parseObject(text);
  if (value === undefined) return undefined;
  const { name, version, control, startedAtMs, upstreams, replaces } = value;
  const isGood =
    isText(name) &&
    isText(version) &&
    isText(control) &&
    isCount(startedAtMs) &&
    isTexts(upstreams);
  if (!isGood) return undefined;
  const document = { name, version, control, startedAtMs, upstreams };
  return isText(replaces) ? { ...document, replaces } : document;
}

export function parseIntents(text: string): IntentsDocument | undefined {
  const value = parseObject(text);
  if (value === undefined) return undefined;
  const { token, count, line } = value;
  const servers = parseMap(value['servers'], parseIntent);
  if (servers === undefined || !isText(token)) return undefined;
  return { token, count: isCount(count) ? count : 0, line: isText(line) ? line : '', servers };
}

export function parseView(text: string): ViewDocument | undefined {
  const value = parseObject(text);
  if (value === undefined || !isText(value['token']) || !isCount(value['capacity'])) {
    return undefined;
  }
  const out = parseMap(value['out'], parseServerView);
  return out === undefined
    ? undefined
    : { token: value['token'], capacity: value['capacity'], out };
}

export function parseApplied(text: string): AppliedDocument | undefined {
  const value = parseObject(text);
  if (value === undefined) return undefined;
  const { index, generation } = value;
  return isCount(index) && isCount(generation) ? { index, generation } : undefined;
}

export function parseAsk(text: string): AskDocument | undefined {
  const value = parseObject(text);
  if (value === undefined) return undefined;
  const { upstream, asked, asker, present, late } = value;
  const isGood =
    isText(upstream) && isCount(asked) && isText(asker) && isTexts(present) && isTexts(late);
  return isGood ? { upstream, asked, asker, present, late } : undefined;
}

export function parseAnswer(text: string): AnswerDocument | undefined {
  const value = parseObject(text);
  if (value === undefined) return undefined;
  const { asked, name, atMs, isFinal, isWhole, receipt } = value;
  const areFlags = typeof isFinal === 'boolean' && typeof isWhole === 'boolean';
  return areFlags && isCount(asked) && isText(name) && isCount(atMs)
    ? { asked, name, atMs, isFinal, isWhole, receipt }
    : undefined;
}

function parseIntent(value: unknown): Intent | undefined {
  if (!isObject(value)) return undefined;
  const { state, owner, reason, sinceMs, by } = value;
  if (!isOutState(state) || !isText(owner) || !isText(reason) || !isText(by)) return undefined;
  if (owner === '' || isRecordOwner(owner) || typeof sinceMs !== 'number') return undefined;
  return { admin: { state, owner, reason, sinceMs }, by };
}

function parseServerView(value: unknown): ServerView | undefined {
  if (!Array.isArray(value)) return undefined;
  const [eligibility, inFlight, tunnels, idle, index, streams = 0]: readonly unknown[] = value;
  const word = ELIGIBILITIES.find((known) => known === eligibility);
  if (word === undefined || !isCount(inFlight) || !isCount(tunnels)) return undefined;
  // A gateway of an earlier version says nothing of streams.
  if (!isCount(index) || !isCount(streams)) return undefined;
  return { eligibility: word, inFlight, tunnels, streams, idle: idle === 1, index };
}

function parseMap<Value>(
  value: unknown,
  parse: (item: unknown) => Value | undefined,
): Map<string, Value> | undefined {
  if (!isObject(value)) return undefined;
  const map = new Map<string, Value>();
  for (const [id, item] of Object.entries(value)) {
    const parsed = parse(item);
    if (parsed === undefined) return undefined;
    map.set(id, parsed);
  }
  return map;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isOutState(value: unknown): value is Exclude<AdminState, 'ready'> {
  return value === 'drain' || value === 'maint';
}
