// User events: short messages to whoever listens. Only the newest are kept, and in memory, as Consul
// does: who needs them all writes records.

export { eventFamily } from './events/event-api.ts';
