// A list that is empty because we may not see it. Where ACLs deny by default, Consul shortens the answers
// about services instead of refusing them: to who lacks a right everything looks gone. The agent's own view
// of a service is refused, and there is no Consul without a node.

import type { ConsulQueries } from '../../consul.ts';

const TIMEOUT_MS = 2_000;

/** Why the service is hidden from us, and what to do; '' when it is not, or when nobody says. */
export async function hiddenReason(
  queries: ConsulQueries,
  service: string,
  signal: AbortSignal,
): Promise<string> {
  const options = { timeoutMs: TIMEOUT_MS, signal, answers: [403] };
  const path = `/v1/agent/health/service/name/${encodeURIComponent(service)}`;
  const [own, nodes] = await Promise.all([
    queries.get(path, options).catch(() => undefined),
    queries.get('/v1/catalog/nodes', options).catch(() => undefined),
  ]);
  const isRefused = own !== undefined && 'status' in own && own.status === 403;
  const isEmpty = nodes !== undefined && 'status' in nodes && nodes.body.toString().trim() === '[]';
  if (!isRefused && !isEmpty) return '';
  const rights = [
    isRefused ? `service "${service}" { policy = "read" }` : '',
    isEmpty ? 'node_prefix "" { policy = "read" }' : '',
  ].filter((right) => right !== '');
  return `the service "${service}" looks empty because Consul hides it; set a token whose policy has ${rights.join(' and ')}`;
}
