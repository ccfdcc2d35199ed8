// The client of etcd, for its v3 API and for v2, which nginx-upsync-module reads.

export { type EtcdApi, type EtcdOptions, openEtcd } from './etcd/open.ts';
export { checkEtcdTls, type EtcdTls } from './etcd/transport.ts';
