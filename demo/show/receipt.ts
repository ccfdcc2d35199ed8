// The end of the demo: what the gateway counted, what the clients saw, and the verdict.

import type { ReceiptDocument } from '../../src/admin.ts';
import type { Result, Summary } from '../load.ts';
import { bad, fact, good, line } from './screen.ts';
import { excuse, type Kill } from './traffic.ts';

/** Prints it all; true when nothing was lost beyond what no proxy can save. */
export function verdict(
  receipt: ReceiptDocument,
  summary: Summary,
  failures: readonly Result[],
  kills: readonly Kill[],
): boolean {
  line('                gateways   clients');
  const row = (name: string, gateway: number, clients?: number): void => {
    line(`${name.padEnd(14)}${cell(gateway)}${clients === undefined ? '' : cell(clients)}`);
  };
  row('requests in', receipt.requests, summary.requests);
  row('answered', receipt.answered, summary.ok);
  row('retried', receipt.retried);
  row('cut', receipt.cut);
  row('lost', receipt.lost);
  row('failed', receipt.cut + receipt.lost, summary.failed);
  if (receipt.gateways.length > 1) {
    for (const { name, requests, answered, missing } of receipt.gateways) {
      line(
        `${name}: ${requests} requests, ${answered} answered${missing === '' ? '' : `, ${missing}`}`,
      );
    }
  }
  for (const server of receipt.servers) {
    const before = server.answered > server.attempts ? ', some of them sent before' : '';
    line(`${server.id}: ${server.attempts} attempts, ${server.answered} answered${before}`);
  }
  const { latency } = summary;
  fact(
    `Clients: p50 ${latency.p50.toFixed(1)} ms, p99 ${latency.p99.toFixed(0)} ms (slow requests ` +
      `included), longest gap ${summary.longestGapMs.toFixed(0)} ms, ${summary.connections} connections.`,
  );

  const lost = failures.filter((failure) => excuse(failure, kills) === undefined);
  for (const failure of failures) {
    const kill = excuse(failure, kills);
    const tell = kill === undefined ? bad : fact;
    const why = kill === undefined ? 'LOST' : explain(failure, kill);
    tell(`${failure.method} ${failure.path} (${failure.outcome}: ${failure.detail}) ${why}`);
  }
  const excused = failures.length - lost.length;
  if (lost.length > 0) {
    bad(`${lost.length} of ${summary.requests} requests were lost.`);
    return false;
  }
  good(
    excused === 0
      ? `Nothing was lost: ${summary.requests} requests, ${summary.ok} answered.`
      : `Nothing else was lost: ${summary.requests} requests, ${summary.ok} answered; ${excused} ` +
          `non-idempotent ${excused === 1 ? 'one was' : 'ones were'} inside the killed process or on ` +
          `${excused === 1 ? 'its' : 'their'} way to it.`,
  );
  return true;
}

function explain(failure: Result, kill: Kill): string {
  const where =
    failure.startedMs <= kill.atMs
      ? `was inside process ${kill.pid} when it was killed`
      : `was on its way to process ${kill.pid} as it was killed`;
  return `${where}, and must not be sent twice`;
}

function cell(value: number): string {
  return String(value).padStart(10);
}
