// The face of the gateway module: the data plane of one worker.

export { Gateway, type GatewayOptions, type SocketFigures } from './gateway/gateway.ts';
export type { PoolFigures } from './gateway/http1.ts';
export { descriptorsFor, socketRoom } from './gateway/listener.ts';
export type { ReadPage } from './gateway/routing.ts';
