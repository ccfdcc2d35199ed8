// The releases of all services in the registry that the gateways share: the lock of each service, the
// journals, the history, and what runs where. docs/design/release-records.md has the records and the reasons.

export { type AllReleases, allReleases } from './ledger/all-releases.ts';
export { holdsConfiguration } from './ledger/keys.ts';
export { Ledger, lostLock } from './ledger/ledger.ts';
export { LockWatch } from './ledger/lock-watch.ts';
export { drainedOnly } from './ledger/orphan.ts';
export { VersionWatch } from './ledger/version-watch.ts';
