// Drivers: the ways in which instances are run. Adding one: a file with a `Driver`, a line in the
// table, a word in the schema; test/support/release/driver-contract.ts says what it has to do.

import type { ServiceConfig, ServiceInstance } from '../config.ts';
import { commandDriver } from './drivers/command.ts';
import { dockerDriver } from './drivers/docker.ts';
import type { Driver, DriverKind, DriverScope } from './drivers/driver.ts';
import { pm2Driver } from './drivers/pm2.ts';
import { systemdDriver } from './drivers/systemd.ts';
import { type Host, type HostClaim, hostOf } from './hosts.ts';

export { userSwitch } from './drivers/command.ts';
export type {
  Driver,
  DriverState,
  Handle,
  Launch,
  LaunchFacts,
  Started,
  StopEnd,
} from './drivers/driver.ts';

const DRIVERS: { readonly [Kind in DriverKind]: (scope: DriverScope) => Driver } = {
  command: commandDriver,
  systemd: systemdDriver,
  docker: dockerDriver,
  pm2: pm2Driver,
};

/** The driver of one instance, on its host unless another is given. */
export function driverOf(
  service: ServiceConfig,
  instance: ServiceInstance,
  host: Host = hostOf(service, instance),
  claim?: HostClaim,
): Driver {
  return DRIVERS[service.driver]({ service, address: instance.address, host, claim });
}
