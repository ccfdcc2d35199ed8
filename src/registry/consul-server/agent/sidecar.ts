// A proxy that is registered inside of its service: where the registration says nothing, it takes what
// the service has. Nothing here runs a proxy: it is kept, shown and removed with its service.

import type { KeyTable } from '../../embedded.ts';
import { AGENT_SERVICES, type AgentService } from './agent-state.ts';

const PORT_MIN = 21_000;
const PORT_MAX = 21_255;

/** The service as a sidecar of `of`; `given`: what its registration says, with `Service` '' when nothing. */
export function sidecarService(
  of: AgentService,
  given: AgentService,
  table: KeyTable,
): AgentService {
  const id = sidecarId(of.ID);
  const { Proxy: proxy } = given;
  const pick = (own: string | undefined, other: string): string =>
    own === undefined || own === '' ? other : own;
  return {
    ...given,
    ID: id,
    sidecarOf: of.ID,
    Kind: pick(given.Kind, 'connect-proxy'),
    Service: pick(given.Service, `${of.Service}-sidecar-proxy`),
    Address: pick(given.Address, of.Address),
    Port: given.Port > 0 ? given.Port : freePort(id, table),
    Meta: given.Meta ?? of.Meta,
    Tags: given.Tags ?? of.Tags,
    Proxy: {
      DestinationServiceName: pick(proxy?.DestinationServiceName, of.Service),
      DestinationServiceID: pick(proxy?.DestinationServiceID, of.ID),
      LocalServiceAddress: pick(proxy?.LocalServiceAddress, '127.0.0.1'),
      LocalServicePort:
        (proxy?.LocalServicePort ?? 0) > 0 ? (proxy?.LocalServicePort ?? 0) : of.Port,
      Config: proxy?.Config ?? null,
      Upstreams: proxy?.Upstreams ?? null,
      MeshGateway: proxy?.MeshGateway ?? null,
      Expose: proxy?.Expose ?? null,
    },
  };
}

export function sidecarId(service: string): string {
  return `${service}-sidecar-proxy`;
}

/** The one that it has, or the first that nobody has; 0 when all are taken. */
function freePort(id: string, table: KeyTable): number {
  const taken = new Set<number>();
  for (const { value } of AGENT_SERVICES.list(table)) {
    if (value.Port < PORT_MIN || value.Port > PORT_MAX) continue;
    if (value.ID === id) return value.Port;
    taken.add(value.Port);
  }
  for (let port = PORT_MIN; port <= PORT_MAX; port++) if (!taken.has(port)) return port;
  return 0;
}
