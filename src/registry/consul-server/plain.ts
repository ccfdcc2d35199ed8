// Requests in the one plain form that most clients send, read and answered without node:http.

export { PlainConnections, type PlainOptions } from './plain/plain-connections.ts';
