// Every family of endpoints that this registry has, and how a path finds its endpoint.

import { aclFamily } from './acl.ts';
import { agentFamily } from './agent.ts';
import { catalogFamily, healthFamily } from './catalog.ts';
import { clusterFamily } from './cluster-api.ts';
import { eventFamily } from './events.ts';
import { kvFamily } from './kv-api.ts';
import { queryFamily } from './queries.ts';
import type { ApiContext, Endpoint, OpenFamily } from './routes.ts';
import { sessionFamily } from './sessions.ts';
import { snapshotFamily } from './snapshot-api.ts';
import { statusFamily } from './status-api.ts';
import { txnFamily } from './txn.ts';

const FAMILIES: readonly OpenFamily[] = [
  kvFamily,
  txnFamily,
  sessionFamily,
  aclFamily,
  eventFamily,
  snapshotFamily,
  clusterFamily,
  queryFamily,
  statusFamily,
  agentFamily,
  catalogFamily,
  healthFamily,
];

/** No other name begins like this one, so it is found without a search. */
const MOST_ASKED = '/v1/kv/';

export type Endpoints = {
  /** The endpoint of a path and what follows its name; undefined when there is none. */
  find(path: string): readonly [Endpoint, string] | undefined;
  /** Whether the path stands for what is below it and belongs with a slash. */
  isFolder(path: string): boolean;
  close(): void;
  /** False: there is no such session. */
  renewSession(id: string): boolean;
  /** What the families write before the first request is answered. */
  readonly opened: Promise<unknown>;
};

export function openFamilies(context: ApiContext): Endpoints {
  const families = FAMILIES.map((open) => open(context));
  const routes = new Map(families.flatMap((family) => Object.entries(family.routes)));
  const mostAsked = routes.get(MOST_ASKED);
  return {
    opened: Promise.allSettled(families.map(({ opened }) => opened)),
    // Some are there without a slash as well.
    isFolder: (path) => !path.startsWith(MOST_ASKED) && routes.has(`${path}/`) && !routes.has(path),
    find: (path) => {
      if (mostAsked !== undefined && path.startsWith(MOST_ASKED)) {
        return [mostAsked, path.slice(MOST_ASKED.length)];
      }
      const exact = routes.get(path);
      if (exact !== undefined) return [exact, ''];
      // The longest name that ends in a slash and has the path below it.
      for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
        const above = routes.get(path.slice(0, end + 1));
        if (above !== undefined) return [above, path.slice(end + 1)];
      }
      return undefined;
    },
    renewSession: (id) => families.some((family) => family.renewSession?.(id) === true),
    close: () => {
      for (const family of families) family.close?.();
    },
  };
}
