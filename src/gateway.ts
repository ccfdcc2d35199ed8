// The face of the gateway module: the data plane of one worker.

export { Gateway, type GatewayOptions, type SocketFigures } from './gateway/gateway.ts';
export type { PoolFigures } from './gateway/http1/server-side/connection-pool.ts';
export { descriptorsFor, socketRoom } from './gateway/listener/sockets.ts';
export type { Page, ReadPage } from './gateway/routing/pages.ts';
