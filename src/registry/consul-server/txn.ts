// PUT /v1/txn: operations on keys, sessions and the catalog, together or not at all.

export { txnFamily } from './txn/txn-api.ts';
