// Compares what clients saw with what gateways said: failures, receipts, drains, and what is left behind.

import type { Result } from '../../../demo/load.ts';
import type { ReceiptDocument } from '../../../src/admin.ts';
import type { Cluster, ClusterGateway, Trouble } from './cluster.ts';
import type { Told } from './people.ts';

/** Named in a scope or receipt: `pid 7 on web-1 (…)`. */
function isNamed(gateway: ClusterGateway, texts: readonly string[]): boolean {
  return texts.some(
    (text) =>
      text.startsWith('others that follow') ||
      gateway.pids.some((pid) => text.startsWith(`pid ${pid} on `)),
  );
}

function covers(troubles: readonly Trouble[], { startedMs, endedMs }: Result): boolean {
  return troubles.some(({ fromMs, toMs }) => startedMs < toMs && endedMs > fromMs - 50);
}

/** Failures that nothing which was done to their gateway explains. */
export function unexplained({ gateways }: Cluster): string[] {
  return gateways.flatMap(({ at, results, troubles }) =>
    results
      .filter((result) => result.outcome !== 'ok' && !covers(troubles, result))
      .map(
        ({ method, path, outcome, detail, startedMs, endedMs }) =>
          `gateway ${at}: ${method} ${path}: ${outcome}, ${detail} (${startedMs.toFixed(0)} to ${endedMs.toFixed(0)})`,
      ),
  );
}

/** Requests that a server got after it was said to be idle. */
export function lies({ gateways }: Cluster, { claims, absences }: Told): string[] {
  const found: string[] = [];
  for (const { server, fromMs, toMs, drain } of claims) {
    for (const gateway of gateways) {
      if (isNamed(gateway, drain.scope.unheard)) continue;
      const late = gateway.results.filter(
        (result) =>
          result.server === server && result.arrivedMs > fromMs && result.arrivedMs < toMs,
      );
      const [first] = late;
      if (first === undefined) continue;
      found.push(
        `${server} was idle at ${fromMs.toFixed(0)} by ${drain.scope.gateway}, and got ${late.length} requests of gateway ${gateway.at} ` +
          `(pids ${gateway.pids.join()}), the first ${(first.arrivedMs - fromMs).toFixed(1)} ms later (${first.method} ${first.path}, begun ${(first.startedMs - fromMs).toFixed(1)} ms): ${JSON.stringify(drain)}`,
      );
    }
  }
  for (const one of absences) {
    for (const two of absences) {
      if (one.server >= two.server || one.fromMs >= two.toMs || two.fromMs >= one.toMs) continue;
      found.push(
        `both ${one.server} and ${two.server} were out, though each wanted ${one.keep} others: ${JSON.stringify([one, two])}`,
      );
    }
  }
  return found;
}

/** Where a receipt says something else than the clients. `mayLose`: last counts may have been lost as well. */
export function receiptTrouble(
  { gateways }: Cluster,
  receipt: ReceiptDocument,
  mayLose: boolean,
): string[] {
  const found: string[] = [];
  for (const gateway of gateways) {
    const parts = receipt.gateways.filter(({ name }) => isNamed(gateway, [name]));
    const sum = (pick: (part: (typeof parts)[number]) => number): number =>
      parts.reduce((all, part) => all + pick(part), 0);
    const sent = gateway.results.length;
    const ok = gateway.results.filter(({ outcome }) => outcome === 'ok').length;
    const requests = sum((part) => part.requests);
    const answered = sum((part) => part.answered);
    const line = `gateway ${gateway.at}: clients ${sent} sent, ${ok} ok; receipt ${requests} requests, ${answered} answered, ${sum((p) => p.retried)} retried, ${sum((p) => p.cut)} cut, ${sum((p) => p.lost)} lost, ${sum((p) => p.clientGone)} client gone, missing: ${
      parts
        .map(({ missing }) => missing)
        .filter(Boolean)
        .join(' | ') || 'none'
    }; troubles: ${gateway.troubles.map(({ what }) => what).join()}`;
    const isMissing = parts.some(({ missing }) => missing !== '');
    const wasKilled = gateway.troubles.some(({ what }) => what.startsWith('kill'));
    const wasHurt = gateway.troubles.length > 0;
    if (parts.length === 0) found.push(`not on the receipt: ${line}`);
    else if (wasKilled && !isMissing) found.push(`killed, and nothing missing: ${line}`);
    else if (!wasKilled && isMissing && !(wasHurt && mayLose)) {
      found.push(`missing without reason: ${line}`);
    } else if (!wasHurt && (requests !== sent || answered < ok)) {
      found.push(`counts differ: ${line}`);
    } else if (!isMissing && answered < ok) found.push(`answered less than clients saw: ${line}`);
  }
  if (receipt.complete === receipt.gateways.some(({ missing }) => missing !== ''))
    found.push(`complete is not what the lines say: ${JSON.stringify(receipt.scope)}`);
  return found;
}

/** Records that nobody needs any more. */
export async function leftBehind({ store, options }: Cluster, isOver: boolean): Promise<string[]> {
  const { entries } = await store.list('sluice/');
  const keys = entries.map(({ key }) => key);
  const live = new Set(
    keys.flatMap((key) => (key.startsWith('sluice/shared/alive/') ? [key.split('/').at(-1)] : [])),
  );
  return keys.filter((key) => {
    if (key.startsWith('sluice/shared/intents/')) return false;
    // Of releases the journals stay, and their receipts for ten minutes: for whoever asks another gateway.
    if (isOver && options.isReleased === true) {
      return !/^sluice\/(releases|shared\/(gateways|receipts)|seen\/receipts)\//.test(key);
    }
    if (isOver) return !key.startsWith('sluice/shared/gateways/');
    const [, , kind = '', name = ''] = key.split('/');
    return (kind === 'views' || kind === 'applied') && !live.has(name);
  });
}
