// The face of the listeners: addresses, the clients that come in by them, and how many sockets there are.

export { type Entrance, Entrances } from './listener/entrances.ts';
export { type Client, Listeners, RAISE, type Serve, socketFields } from './listener/listeners.ts';
export { descriptorsFor, Sockets, socketRoom } from './listener/sockets.ts';
