// What the page knows, live: one EventSource for all topics that are on screen. It is closed while the page is
// hidden and goes on where it was; a gateway that is away is tried again, and what is shown then is said to be old.

import { type ReadonlySignal, type Signal, signal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import {
  applyPatch,
  type EventsTopic,
  type OverviewTopic,
  type PoolTopic,
  type ReleasesTopic,
  type ReleaseTopic,
  readMessage,
} from '../../src/admin/contract.ts';

export type Link = {
  readonly state: 'connecting' | 'live' | 'lost' | 'paused';
  readonly sinceMs: number;
};

type Known = { readonly value: Signal<unknown>; users: number };

/** A tab that is looked at again at once keeps its stream, ms. */
const HIDDEN_MS = 3000;
/** Waited before a new try, ms; it doubles up to the second. */
const [RETRY_MS, RETRY_MAX_MS] = [1000, 10_000];
/** The server speaks at least every 15 s; a stream that is silent for longer is dead, ms. */
const SILENT_MS = 40_000;

const topics = new Map<string, Known>();
export const link = signal<Link>({ state: 'connecting', sinceMs: Date.now() });
/** Called when a stream was refused: the session may be over. */
export const refused = signal(0);

let source: EventSource | undefined;
let opened = '';
let lastId = '';
let lastHeardMs = 0;
let retryMs = RETRY_MS;
let timer: ReturnType<typeof setTimeout> | undefined;

export const useOverview = (): ReadonlySignal<OverviewTopic | undefined> => useTopic('overview');
export const usePool = (name: string): ReadonlySignal<PoolTopic | undefined> =>
  useTopic(`pool:${name}`);
export const useEvents = (): ReadonlySignal<EventsTopic | undefined> => useTopic('events');
export const useReleases = (service: string): ReadonlySignal<ReleasesTopic | undefined> =>
  useTopic(`release:${service}`);
export const useRelease = (
  service: string,
  release: string,
): ReadonlySignal<ReleaseTopic | undefined> => useTopic(`release:${service}/${release}`);

/** Follows it while the component is there. undefined until the first snapshot. */
export function useTopic<Value>(topic: string): ReadonlySignal<Value | undefined> {
  useEffect(() => {
    const known = knownOf(topic);
    known.users += 1;
    connectSoon();
    return () => {
      known.users -= 1;
      connectSoon();
    };
  }, [topic]);
  // What a topic says is declared by its name, above.
  return useMemo(() => knownOf(topic).value as ReadonlySignal<Value | undefined>, [topic]);
}

export function startStream(): void {
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(pause, HIDDEN_MS);
    else if (source === undefined) connect();
  });
  setInterval(() => {
    if (source !== undefined && Date.now() - lastHeardMs > SILENT_MS) retry();
  }, 5000);
}

/** After a login: as if nothing had been tried. */
export function reconnect(): void {
  close();
  retryMs = RETRY_MS;
  connect();
}

let isQueued = false;

/** Components come and go together: one stream for what is there after that. */
function connectSoon(): void {
  if (isQueued) return;
  isQueued = true;
  queueMicrotask(() => {
    isQueued = false;
    if (document.hidden && source === undefined && link.value.state === 'paused') return;
    connect();
  });
}

function connect(): void {
  const wanted = [...topics].filter(([, { users }]) => users > 0).map(([topic]) => topic);
  for (const [topic, { users }] of topics) if (users === 0) topics.delete(topic);
  wanted.sort();
  const key = wanted.join(',');
  if (key === '' || (key === opened && source !== undefined)) return;
  close();
  opened = key;
  // Going on is for what this page has; with a topic that is new to it everything comes as a snapshot.
  const isGoingOn = wanted.every((topic) => topics.get(topic)?.value.peek() !== undefined);
  const query = new URLSearchParams({ topics: key, after: isGoingOn ? lastId : '' });
  const stream = new EventSource(`/api/stream?${query}`);
  source = stream;
  lastHeardMs = Date.now();
  if (link.value.state !== 'live') say('connecting');
  stream.onopen = () => {
    lastHeardMs = Date.now();
    retryMs = RETRY_MS;
    say('live');
  };
  stream.onmessage = ({ data, lastEventId }) => {
    lastHeardMs = Date.now();
    say('live');
    if (lastEventId !== '') lastId = lastEventId;
    take(String(data));
  };
  stream.addEventListener('ping', () => {
    lastHeardMs = Date.now();
  });
  stream.onerror = () => retry();
}

function retry(): void {
  const isRefused = source?.readyState === EventSource.CLOSED;
  close();
  say('lost');
  if (isRefused) refused.value += 1;
  clearTimeout(timer);
  timer = setTimeout(connect, retryMs * (0.75 + Math.random() / 2));
  retryMs = Math.min(2 * retryMs, RETRY_MAX_MS);
}

function pause(): void {
  close();
  say('paused');
}

function close(): void {
  source?.close();
  source = undefined;
  clearTimeout(timer);
}

function say(state: Link['state']): void {
  if (link.value.state === state) return;
  // Trying again is still having lost it.
  if (state === 'connecting' && link.value.state === 'lost') return;
  link.value = { state, sinceMs: Date.now() };
}

function take(data: string): void {
  const message = readMessage(data);
  if (message === undefined) return;
  const known = topics.get(message.topic);
  if (known === undefined) return;
  known.value.value =
    'snapshot' in message ? message.snapshot : applyPatch(known.value.peek(), message.patch);
}

function knownOf(topic: string): Known {
  let known = topics.get(topic);
  if (known === undefined) {
    known = { value: signal<unknown>(undefined), users: 0 };
    topics.set(topic, known);
  }
  return known;
}
