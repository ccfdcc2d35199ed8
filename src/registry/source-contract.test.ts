// The contract of every source of servers, on each that we have; those with records under a prefix that
// is not the default one.

import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { startConsul } from '../../test/support/peers/programs.ts';
import {
  openClient,
  startEmbedded,
  temporaryFolder,
} from '../../test/support/registry/builders.ts';
import { openEtcdClient, startEtcd } from '../../test/support/registry/etcd-cluster.ts';
import { startGate } from '../../test/support/registry/gate.ts';
import { type StartedSource, sourceContract } from '../../test/support/registry/source-contract.ts';
import { silentLog } from '../base/log.ts';
import type { Address } from '../base/units.ts';
import { readDocument } from '../config.ts';
import { embeddedStore } from './embedded.ts';
import { fileSource } from './file.ts';
import type { RecordStore } from './record-store.ts';
import { recordSource } from './records.ts';

const PREFIX = 'prod/eu/';

/** `store`: what writes; `read`: what the source reads through, if it is another way to the same records. */
function overRecords(store: RecordStore, read: RecordStore = store): StartedSource {
  return {
    source: recordSource({ store: read, prefix: PREFIX, log: silentLog }),
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
    addNoServer: async () => {
      await store.put(`${PREFIX}app/nobody`, '{}');
    },
  };
}

/** The same, and the source reads through a gate that can be shut. */
async function behindGate(
  t: TestContext,
  address: Address,
  open: (address: Address) => RecordStore,
): Promise<StartedSource> {
  const gate = await startGate(t, address);
  return {
    ...overRecords(open(address), open(gate.address)),
    away: { begin: () => gate.shut(), end: () => gate.open() },
  };
}

sourceContract('records, embedded', async (t) => {
  const { address } = await startEmbedded(t);
  return behindGate(t, address, (at) => openClient(t, [at], { waitMs: 5_000 }));
});

sourceContract('records, embedded in its own process', async (t) => {
  const { address, store } = await startEmbedded(t);
  return overRecords(embeddedStore(openClient(t, [address]), store));
});

sourceContract('records, consul', async (t) => {
  const consul = await startConsul(t);
  const [agent] = consul?.addresses ?? [];
  if (agent === undefined) return undefined;
  return behindGate(t, agent, (at) => openClient(t, [at], { waitMs: 5_000 }));
});

sourceContract('records, etcd', async (t) => {
  const etcd = await startEtcd(t);
  const [member] = etcd?.addresses ?? [];
  if (member === undefined) return undefined;
  // The keys begin with a slash, as those of upsync's etcd do.
  return behindGate(t, member, (at) => openEtcdClient(t, [at], { root: '/' }));
});

sourceContract('records, etcd, v2 keys', async (t) => {
  const etcd = await startEtcd(t, { argv: ['--enable-v2'] });
  const [member] = etcd?.addresses ?? [];
  if (member === undefined) return undefined;
  return behindGate(t, member, (at) => openEtcdClient(t, [at], { api: 'v2', root: '/north/' }));
});

sourceContract('file', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'servers.yaml');
  const put = (text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  put('{}');
  let text = '{}';
  let isAway = false;
  return {
    source: fileSource({ path, log: silentLog, readDocument }),
    away: {
      begin: async () => {
        isAway = true;
        rmSync(path);
      },
      end: async () => {
        isAway = false;
        put(text);
      },
    },
    async write(servers) {
      const lists = Object.entries(servers).map(([upstream, list]) => [
        upstream,
        Object.entries(list).map(([address, attributes]) => ({
          address,
          ...attributes,
        })),
      ]);
      text = JSON.stringify(Object.fromEntries(lists));
      if (!isAway) put(text);
    },
  };
});
