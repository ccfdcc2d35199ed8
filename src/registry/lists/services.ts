// The services that are registered with a Consul, as lists of servers.

export { type ServicesOptions, servicesSource } from './services/services-source.ts';
