import type { TestContext } from 'node:test';
import { buildService } from '../../../test/support/release/builders.ts';
import { type DriverCase, driverContract } from '../../../test/support/release/driver-contract.ts';
import { ShellHost } from '../../../test/support/release/shell-host.ts';
import { driverOf } from '../drivers.ts';
import { type Host, hostOf } from '../hosts.ts';
import { makeFolder, serviceFolder } from '../journal/files.ts';

const APP = `require('http').createServer((_, response) => response.end('v1'))
  .listen(+process.argv[1], '127.0.0.1', () => console.log('v1 listens'));`;

async function commandCase(t: TestContext, host: Host): Promise<DriverCase> {
  const start = [process.execPath, '-e', APP, '{port}'];
  const service = await buildService(t, 1, { start });
  await makeFolder(serviceFolder(service));
  const [address = { host: '', port: 0 }] = service.instances;
  const broken = driverOf({ ...service, start: ['/no/such/program'] }, address, host);
  return {
    open: () => driverOf(service, address, host),
    port: address.port,
    good: driverOf(service, address, host).launchOf('v1'),
    broken: broken.launchOf('v1'),
  };
}

driverContract('command on this machine', (t) => commandCase(t, hostOf({ host: 'local' })));
driverContract('command by shell scripts', (t) => commandCase(t, new ShellHost('sh', '-s')));
