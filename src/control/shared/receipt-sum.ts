// One receipt over all gateways: sums of what each counted, each gateway by name, and which counts may be
// missing. What another gateway wrote is read with the shape of the contract.

import {
  type LastingCounts,
  RECEIPT_COUNTS,
  type ReceiptCounts,
  type ReceiptDocument,
} from '../../admin.ts';
import { formatClock } from '../../base/duration.ts';
import type { Scope } from '../../base/scope.ts';
import type { OtherCounts } from '../../gateways.ts';

type Part = ReceiptDocument['gateways'][number];
type ServerCounts = ReceiptCounts['servers'][number];

/** `self`: this gateway's name. `unheard`: those of whom not even the name of a count is known. */
export function sumReceipts(
  own: ReceiptCounts,
  self: string,
  others: readonly OtherCounts[],
  unheard: readonly string[],
): ReceiptDocument {
  const ownTrouble = workersLost(own);
  const gateways: Part[] = [partOf(self, own, ownTrouble)];
  const heard: string[] = [];
  const missing: string[] =
    ownTrouble === '' ? [...unheard] : [`${self} (${ownTrouble})`, ...unheard];
  let sum = own;
  for (const { name, answer, state } of others) {
    const counts =
      answer !== undefined && RECEIPT_COUNTS.fits(answer.receipt) ? answer.receipt : undefined;
    const read = counts === undefined ? 'its counts cannot be read' : workersLost(counts);
    const why = missingOf(state, answer?.atMs) || read;
    gateways.push(partOf(name, counts, why));
    if (counts !== undefined) sum = added(sum, counts);
    if (why === '') heard.push(name);
    else missing.push(`${name} (${why})`);
  }
  const scope: Scope = { gateway: self, heard, unheard: missing };
  return { ...sum, id: own.id, gateways, complete: missing.length === 0, scope };
}

function missingOf(state: OtherCounts['state'], atMs: number | undefined): string {
  const since = atMs === undefined ? 'it counted nothing' : `nothing after ${formatClock(atMs)}`;
  switch (state) {
    case 'answered':
      return '';
    case 'partial':
      return 'did not answer when the receipt was opened, so it counted later requests alone';
    case 'late':
      return `did not answer in time, ${since}`;
    case 'silent':
      return `silent, ${since}`;
    case 'gone':
      return `ended without its last counts, ${since}`;
  }
}

function workersLost({ workersLost: count }: ReceiptCounts): string {
  if (count === 0) return '';
  const who = count === 1 ? 'a worker' : `${count} workers`;
  return `${who} ended unasked: what was counted there last is missing`;
}

const NOTHING = {
  requests: 0,
  answered: 0,
  retried: 0,
  cut: 0,
  lost: 0,
  clientGone: 0,
  stillInFlight: 0,
} as const satisfies Partial<ReceiptCounts>;

function partOf(name: string, counts: ReceiptCounts | undefined, missing: string): Part {
  const { requests, answered, retried, cut, lost, clientGone, stillInFlight } = counts ?? NOTHING;
  return { name, requests, answered, retried, cut, lost, clientGone, stillInFlight, missing };
}

function added(a: ReceiptCounts, b: ReceiptCounts): ReceiptCounts {
  const servers = new Map(a.servers.map((server) => [server.id, server]));
  for (const server of b.servers) {
    const known = servers.get(server.id);
    servers.set(server.id, known === undefined ? server : addedServer(known, server));
  }
  return {
    ...addedCounts(a, b),
    ...{ id: a.id, upstream: a.upstream, openedAtMs: Math.min(a.openedAtMs, b.openedAtMs) },
    requests: a.requests + b.requests,
    stillInFlight: a.stillInFlight + b.stillInFlight,
    longestGapMs: Math.max(a.longestGapMs, b.longestGapMs),
    workersLost: a.workersLost + b.workersLost,
    servers: [...servers.values()],
  };
}

function addedServer(a: ServerCounts, b: ServerCounts): ServerCounts {
  return {
    ...addedCounts(a, b),
    ...{ id: a.id, attempts: a.attempts + b.attempts, failures: a.failures + b.failures },
  };
}

type Counts = Pick<
  ServerCounts,
  'answered' | 'answers' | 'retried' | 'cut' | 'lost' | 'clientGone' | 'tunnels' | 'streams'
>;

function addedCounts(a: Counts, b: Counts): Counts {
  return {
    answered: a.answered + b.answered,
    answers: {
      '1xx': a.answers['1xx'] + b.answers['1xx'],
      '2xx': a.answers['2xx'] + b.answers['2xx'],
      '3xx': a.answers['3xx'] + b.answers['3xx'],
      '4xx': a.answers['4xx'] + b.answers['4xx'],
      '5xx': a.answers['5xx'] + b.answers['5xx'],
    },
    retried: a.retried + b.retried,
    cut: a.cut + b.cut,
    lost: a.lost + b.lost,
    clientGone: a.clientGone + b.clientGone,
    tunnels: addedLasting(a.tunnels, b.tunnels),
    streams: addedLasting(a.streams, b.streams),
  };
}

function addedLasting(a: LastingCounts, b: LastingCounts): LastingCounts {
  return {
    opened: a.opened + b.opened,
    ended: a.ended + b.ended,
    closed: a.closed + b.closed,
    cut: a.cut + b.cut,
    open: a.open + b.open,
  };
}
