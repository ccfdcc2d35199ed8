// The face of the transport: what the gateway knows of sockets. Raw handles are behind it, Node's sockets where
// there are none, or a simulated network of the tests.

export { readBuffer } from './read-buffer.ts';
export { chooseTransport } from './transport/choice.ts';
export {
  type Connection,
  type ConnectionHandler,
  DEAF,
  type Listening,
  type ListenOptions,
  NO_BYTES,
  NO_CONNECTION,
  type TlsFacts,
  type Transport,
} from './transport/connection.ts';
export { eventNow } from './transport/event-clock.ts';
export { nodeTransport } from './transport/node-transport.ts';
export { openRawTransport } from './transport/raw-transport.ts';
export { TicketRing } from './transport/tls/ticket-ring.ts';
export { TLS_PREFIX, type TlsTarget } from './transport/tls/tls-connect.ts';
export { TlsContexts } from './transport/tls/tls-contexts.ts';
export type { TlsGate } from './transport/tls/tls-gate.ts';
