// The face of the certificates module: those of the gateway's listeners, read by the primary, kept up to date and
// handed to the workers; and the keys of session tickets, which all workers share.

export {
  CertificateKeeper,
  type CertificateKeeperOptions,
  type PreparedCertificates,
} from './certificates/keeper.ts';
export { readListeners } from './certificates/read-listeners.ts';
export { readUpstreams } from './certificates/read-upstreams.ts';
export { TICKET_MS } from './certificates/ticket-keys.ts';
