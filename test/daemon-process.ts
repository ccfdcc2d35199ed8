// A daemon in a process of its own, for tests that kill it: the config comes as JSON in the first
// argument, the addresses go to the parent, SIGTERM ends it gracefully.

import { silentLog } from '../src/base/log.ts';
import { startDaemon } from '../src/daemon.ts';

const daemon = await startDaemon(JSON.parse(process.argv[2] ?? ''), { log: silentLog });
process.send?.(daemon.addresses);
process.once('SIGTERM', () => {
  void daemon.close().then(() => process.exit(0));
});
