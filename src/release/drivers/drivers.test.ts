import type { TestContext } from 'node:test';
import { buildService, firstOf } from '../../../test/support/release/builders.ts';
import { type DriverCase, driverContract } from '../../../test/support/release/driver-contract.ts';
import { shellHost } from '../../../test/support/release/shell-host.ts';
import { sharedSshHost } from '../../../test/support/release/ssh-hosts.ts';
import { driverOf } from '../drivers.ts';
import { type Host, localHost } from '../hosts.ts';
import { makeFolder, serviceFolder } from '../journal/files.ts';

const APP = `require('http').createServer((_, response) => response.end('v1'))
  .listen(+process.argv[1], '127.0.0.1', () => console.log('v1 listens'));`;

async function commandCase(t: TestContext, host: Host): Promise<DriverCase> {
  const start = [process.execPath, '-e', APP, '{port}'];
  const service = await buildService(t, 1, { start });
  await makeFolder(serviceFolder(service));
  const first = firstOf(service);
  const broken = driverOf({ ...service, start: ['/no/such/program'] }, first, host);
  return {
    open: () => driverOf(service, first, host),
    port: first.address.port,
    good: driverOf(service, first, host).launchOf('v1'),
    broken: broken.launchOf('v1'),
  };
}

driverContract('command on this machine', (t) => commandCase(t, localHost));
const behindSsh = sharedSshHost();
driverContract('command behind ssh', async (t) => {
  const host = await behindSsh(t);
  return host && commandCase(t, host);
});
driverContract('command by shell scripts', (t) => commandCase(t, shellHost('sh', '-s')));
