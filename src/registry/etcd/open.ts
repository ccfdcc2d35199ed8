// Opens a client of etcd, of the API that is asked for.

import type { Log } from '../../base/log.ts';
import type { Address } from '../../base/units.ts';
import type { RecordStore } from '../record-store.ts';
import { Calls, Endpoints, type EtcdTls, type Login } from './transport.ts';
import { EtcdV2Store, judgeV2, V2Keys } from './v2.ts';
import { EtcdKv, EtcdStore, judgeV3, TokenLogin } from './v3.ts';

export type EtcdApi = 'v3' | 'v2';

export type EtcdOptions = {
  /** Any of them may be asked. At least one. */
  readonly addresses: readonly Address[];
  readonly api: EtcdApi;
  /** What stands before every key of a record. */
  readonly root: string;
  readonly user: string;
  readonly password: string;
  /** Undefined: plain HTTP. */
  readonly tls: EtcdTls | undefined;
  readonly log: Log;
  /** How long one read or write may take, all tries together. */
  readonly requestTimeoutMs?: number;
  readonly random?: () => number;
};

/** Connects when first used. @throws config_invalid for a TLS file that cannot be read */
export function openEtcd(options: EtcdOptions): RecordStore {
  const { addresses, tls, user, password, log, root, requestTimeoutMs } = options;
  const endpoints = new Endpoints({ addresses, tls, random: options.random ?? Math.random });
  if (options.api === 'v2') {
    const login = basicLogin(user, password);
    const calls = new Calls({ endpoints, login, judge: judgeV2, requestTimeoutMs });
    return new EtcdV2Store(new V2Keys(calls, root), log);
  }
  const login = new TokenLogin(endpoints, user, password);
  const calls = new Calls({ endpoints, login, judge: judgeV3(), requestTimeoutMs });
  return new EtcdStore(new EtcdKv(calls, root), log);
}

/** v2 asks for name and password each time. */
function basicLogin(user: string, password: string): Login {
  const pair = Buffer.from(`${user}:${password}`).toString('base64');
  return {
    authorization: async () => (user === '' ? '' : `Basic ${pair}`),
    refused: () => false,
  };
}
