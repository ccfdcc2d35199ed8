// Drivers: the ways in which instances are run. Adding one: a file with a `Driver`, a line in the
// table, a word in the schema; test/support/release/driver-contract.ts says what it has to do.

import type { Address } from '../base/units.ts';
import type { ServiceConfig } from '../config.ts';
import { commandDriver } from './drivers/command.ts';
import type { Driver, DriverKind, DriverScope } from './drivers/driver.ts';
import { type Host, hostOf } from './hosts.ts';

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
};

/** The driver of one instance, on the host of its service unless another is given. */
export function driverOf(
  service: ServiceConfig,
  address: Address,
  host: Host = hostOf(service),
): Driver {
  return DRIVERS[service.driver]({ service, address, host });
}
