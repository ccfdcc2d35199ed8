// etcd's v2 API.

export { EtcdV2Store } from './v2/client.ts';
export { judgeV2 } from './v2/judge.ts';
export { V2Keys } from './v2/keys.ts';
