// Consul's HTTP API in front of the embedded store, byte for byte as Consul's clients expect it.

export { type ConsulApi, serveConsulApi } from './consul-server/consul-api.ts';
