// Follows services of a Consul by blocking queries, one for each upstream: of the catalog, which knows who
// is registered (`consul_services`), or of the health, which also knows the checks (`consul_health`).

import type { Log } from '../../../base/log.ts';
import { formatAddress } from '../../../base/units.ts';
import { type ConsulAccess, openConsulQueries } from '../../consul.ts';
import type { MembershipSource } from '../../membership-source.ts';
import { listSource } from '../list-source.ts';
import { Pulse } from './pulse.ts';
import { type AnswerRules, catalogEntries, healthEntries } from './service-answer.ts';
import { watchService } from './service-watch.ts';

export type ServicesOptions = {
  readonly reach: ConsulAccess;
  /** Undefined: of the catalog, which knows no checks. */
  readonly health: (AnswerRules & { readonly passing: boolean }) | undefined;
  readonly log: Log;
  /** How long a blocking query waits; a test waits less. */
  readonly waitMs?: number;
  readonly random?: () => number;
};

const WAIT_MS = 60_000;

export function servicesSource(options: ServicesOptions): MembershipSource {
  const { reach, health, log, waitMs = WAIT_MS, random = Math.random } = options;
  const kind = health === undefined ? 'catalog' : 'health';
  const parameters = health?.passing === true ? 'passing=1&' : '';
  return listSource({
    log,
    open() {
      const queries = openConsulQueries({ ...reach, log, random });
      const pulse = new Pulse(queries, log);
      return {
        address: () => reach.addresses.map(formatAddress).join(', '),
        look: (upstream, service, events) =>
          watchService({
            ...{ queries, pulse, log, waitMs, events, service },
            path: `/v1/${kind}/service/${encodeURIComponent(service)}?${parameters}`,
            read: (answer) =>
              health === undefined
                ? catalogEntries(upstream, answer)
                : healthEntries(upstream, answer, health),
          }),
        close() {
          pulse.close();
          queries.close();
        },
      };
    },
  });
}
