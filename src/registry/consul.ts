// The client of a registry that speaks Consul's HTTP API: a real Consul, or the embedded one.

export { openConsul } from './consul/client.ts';
export { checkCredentials, type TlsSettings } from './consul/credentials.ts';
export { type ConsulQueries, type ConsulReply, openConsulQueries } from './consul/queries.ts';
export type { ConsulAccess } from './consul/transport.ts';
