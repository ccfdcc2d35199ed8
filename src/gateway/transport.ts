// The face of the transport: what the gateway knows of sockets. Node's are behind it, or a simulated
// network of the tests.

export {
  type Connection,
  type ConnectionHandler,
  DEAF,
  type Listening,
  type ListenOptions,
  NO_BYTES,
  NO_CONNECTION,
  type Transport,
} from './transport/connection.ts';
export { nodeTransport } from './transport/node-transport.ts';
