import assert from 'node:assert/strict';
import { mkdirSync, renameSync } from 'node:fs';
import { test } from 'node:test';
import { daemonConfig, runDaemon, temporaryDir } from '../../test/support/daemon/builders.ts';
import { dataDirsOf } from './lost-data.ts';

test('an embedded registry whose whole folder is gone does not begin an empty one', async (t) => {
  const yaml = 'registry: { embedded: {} }\nupstreams: { app: { servers: ["127.0.0.1:1"] } }';
  const config = daemonConfig(yaml, temporaryDir(t));
  const [dataDir = ''] = dataDirsOf(config);
  const first = await runDaemon(t, config);
  await first.close();
  renameSync(dataDir, `${dataDir}-away`);
  await assert.rejects(runDaemon(t, config), {
    code: 'data_dir_unusable',
    message: /the folder is gone, but a registry was there \(.*memory\.json\); put the folder back/,
  });
  // Back, it is the same; and an empty one is an empty start on purpose.
  renameSync(`${dataDir}-away`, dataDir);
  const second = await runDaemon(t, config);
  await second.close();
  renameSync(dataDir, `${dataDir}-away`);
  mkdirSync(dataDir, { mode: 0o700 });
  const third = await runDaemon(t, config);
  await third.close();
});
