// The face of the gateway module: the data plane of one worker.

export type { PoolFigures } from './gateway/connection-pool.ts';
export { Gateway, type GatewayOptions, type SocketFigures } from './gateway/gateway.ts';
export type { Page, ReadPage } from './gateway/pages.ts';
export { descriptorsFor, socketRoom } from './gateway/sockets.ts';
