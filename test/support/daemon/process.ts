// A daemon in a process of its own, for tests that kill it: the config comes as JSON in the first
// argument, the addresses go to the parent, SIGTERM ends it gracefully.

import { createLog } from '../../../src/base/log.ts';
import type { Config } from '../../../src/config.ts';
import { startDaemon } from '../../../src/daemon.ts';

const config: Config = JSON.parse(process.argv[2] ?? '');
const daemon = await startDaemon(config, { log: createLog(config.logLevel) });
process.send?.(daemon.addresses);
process.once('SIGTERM', () => {
  void daemon.close().then(() => process.exit(0));
});
