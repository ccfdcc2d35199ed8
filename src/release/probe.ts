// One request to an instance, past the gateway: is it alive, and which version answers? The probe is
// that of the upstream's checks, with the same request, so that the two cannot disagree about one
// server. What comes back is a value; nothing here decides what it means for the release.

import { type Address, formatAddress } from '../base/units.ts';
import type { ServiceConfig } from '../config.ts';
import { LoopWatch } from '../health.ts';
import { asking } from './hosts.ts';

export type Answer = {
  /** An expected status and the whole answer within the time. */
  readonly ok: boolean;
  /** Our own fault: it says nothing about the instance. */
  readonly isVoid: boolean;
  /** What came back, in words: `200 in 4ms`, `503 in 2ms, not expected: no database`. */
  readonly text: string;
  /** The version header's value; '' when absent or not asked for. */
  readonly version: string;
  /** Nothing listens there (yet). */
  readonly refused: boolean;
};

const VERSION_LENGTH_MAX = 200;

type ProbeSettings = Pick<ServiceConfig, 'checkRequest' | 'versionHeader'> & {
  readonly timeoutMs: number;
};

export function probe(address: Address, settings: ProbeSettings): Promise<Answer> {
  const { checkRequest, timeoutMs, versionHeader } = settings;
  const now = (): number => performance.now();
  const watch = new LoopWatch(now);
  return new Promise((resolve) => {
    asking.start({
      id: formatAddress(address),
      ...address,
      spec: { type: checkRequest.tls === undefined ? 'http' : 'https', timeoutMs, ...checkRequest },
      watch,
      now,
      onEnd: ({ outcome, reason, code, fields }) => {
        watch.close();
        resolve({
          ok: outcome === 'pass',
          isVoid: outcome === 'void',
          text: reason,
          version: (fields?.get(versionHeader.toLowerCase()) ?? '').slice(0, VERSION_LENGTH_MAX),
          refused: code === 'ECONNREFUSED',
        });
      },
    });
  });
}
