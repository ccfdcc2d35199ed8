// The contract of every source of servers, on each that we have; those with records under a prefix that
// is not the default one.

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startConsul } from '../../test/support/peers/programs.ts';
import {
  openClient,
  startEmbedded,
  temporaryFolder,
} from '../../test/support/registry/builders.ts';
import { openEtcdClient, startEtcd } from '../../test/support/registry/etcd-cluster.ts';
import { type StartedSource, sourceContract } from '../../test/support/registry/source-contract.ts';
import { silentLog } from '../base/log.ts';
import { readDocument } from '../config.ts';
import { embeddedStore } from './embedded.ts';
import { fileSource } from './file.ts';
import type { RecordStore } from './record-store.ts';
import { recordSource } from './records.ts';

const PREFIX = 'prod/eu/';

function overRecords(store: RecordStore): StartedSource {
  return {
    source: recordSource({ store, prefix: PREFIX, log: silentLog }),
    async write(servers) {
      const wanted = new Map(
        Object.entries(servers).flatMap(([upstream, list]) =>
          Object.entries(list).map(([id, value]) => [`${PREFIX}${upstream}/${id}`, value]),
        ),
      );
      for (const [key, value] of wanted) await store.put(key, JSON.stringify(value));
      const { entries } = await store.list(PREFIX);
      for (const { key } of entries) if (!wanted.has(key)) await store.delete(key);
    },
  };
}

sourceContract('records, embedded', async (t) => {
  const { address } = await startEmbedded(t);
  return overRecords(openClient(t, [address], { waitMs: 5_000 }));
});

sourceContract('records, embedded in its own process', async (t) => {
  const { address, store } = await startEmbedded(t);
  return overRecords(embeddedStore(openClient(t, [address]), store));
});

sourceContract('records, consul', async (t) => {
  const consul = await startConsul(t);
  if (consul === undefined) return undefined;
  return overRecords(openClient(t, consul.addresses, { waitMs: 5_000 }));
});

sourceContract('records, etcd', async (t) => {
  const etcd = await startEtcd(t);
  // The keys begin with a slash, as those of upsync's etcd do.
  return etcd === undefined
    ? undefined
    : overRecords(openEtcdClient(t, etcd.addresses, { root: '/' }));
});

sourceContract('records, etcd, v2 keys', async (t) => {
  const etcd = await startEtcd(t, { argv: ['--enable-v2'] });
  if (etcd === undefined) return undefined;
  return overRecords(openEtcdClient(t, etcd.addresses, { api: 'v2', root: '/north/' }));
});

sourceContract('file', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'servers.yaml');
  writeFileSync(path, '{}');
  return {
    source: fileSource({ path, log: silentLog, readDocument }),
    async write(servers) {
      const lists = Object.entries(servers).map(([upstream, list]) => [
        upstream,
        Object.entries(list).map(([address, attributes]) => ({
          address,
          ...attributes,
        })),
      ]);
      writeFileSync(`${path}.new`, JSON.stringify(Object.fromEntries(lists)));
      renameSync(`${path}.new`, path);
    },
  };
});
