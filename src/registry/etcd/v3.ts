// etcd's v3 API.

export { EtcdStore } from './v3/client.ts';
export { judgeV3 } from './v3/judge.ts';
export { EtcdKv } from './v3/kv.ts';
export { TokenLogin } from './v3/login.ts';
