// The control API as its clients see it: from this machine, over TLS or through ssh, by any of several
// gateways.

export {
  type ControlClient,
  type ControlOptions,
  createControlClient,
} from './client/control-client.ts';
export { type ClientTls, readPem } from './client/endpoint.ts';
export { closeTunnels } from './client/ssh-tunnel.ts';
