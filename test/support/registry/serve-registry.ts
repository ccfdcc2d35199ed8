// A program for tests that kill it: the embedded registry in the folder given, with its API on a free
// port, which it prints.

import { createLog } from '../../../src/base/log.ts';
import { openStore, serveConsulApi } from '../../../src/registry.ts';

const [dataDir = ''] = process.argv.slice(2);
const log = createLog('warn');
const store = openStore({ dataDir, log });
const { address } = await serveConsulApi({ store, host: '127.0.0.1', port: 0, log });
process.stdout.write(`${address.port}\n`);
