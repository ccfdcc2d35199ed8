// The face of the gateway module: the data plane of one worker.

export { Gateway, type GatewayOptions } from './gateway/gateway.ts';
