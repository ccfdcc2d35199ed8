// What the instances of a service printed last, wherever they run.

import type { ReleaseRecords } from '../admin/contract.ts';
import { isSluiceError, messageOf, SluiceError } from '../base/errors.ts';
import type { ServiceConfig, ServiceInstance } from '../config.ts';
import { driverOf } from './drivers.ts';
import { hostOf } from './hosts.ts';
import { readRecord } from './journal/instance-record.ts';
import { masked } from './masking.ts';

export type InstanceLog = {
  readonly instance: string;
  /** Where all of it is. */
  readonly place: string;
  /** Of one that does not run what it printed last: that says why. Secrets are masked. */
  readonly lines: readonly string[];
  /** That it does not run, or why it is not known; ''. */
  readonly trouble: string;
};

/** `id` '' is each; `count` lines of each at most, as many as a release quotes where it is not said. @throws not_found */
export async function instanceLogs(
  service: ServiceConfig,
  records: Pick<ReleaseRecords, 'instances'>,
  id: string,
  count?: number,
): Promise<readonly InstanceLog[]> {
  const wanted = service.instances.filter((instance) => id === '' || instance.id === id);
  if (wanted.length === 0) {
    const known = service.instances.map((instance) => instance.id).join(', ');
    throw new SluiceError(
      'not_found',
      `service "${service.name}": no instance ${id}; known: ${known}`,
    );
  }
  const shared = await records.instances(service.name).catch(() => ({ instances: [] }));
  const known = new Map(shared.instances.map(({ instance, record }) => [instance, record]));
  return Promise.all(
    wanted.map((instance) => logOf(service, instance, known.get(instance.id), count)),
  );
}

async function logOf(
  service: ServiceConfig,
  instance: ServiceInstance,
  shared: unknown,
  count?: number,
): Promise<InstanceLog> {
  const driver = driverOf(service, instance);
  const log = { instance: instance.id, place: driver.logPlace, lines: [], trouble: '' };
  try {
    await hostOf(service, instance).connect();
    const record = await readRecord(service, instance.id, driver, shared);
    const started = await driver.find(record.process);
    const lines = await driver.logs(started?.handle ?? null, count);
    // It may print what it was given, and this goes to terminals and into the logs of CI jobs.
    const known = [started?.launch, record.process?.launch, record.proven];
    const launches = [driver.launchOf('v0'), ...known.filter((launch) => launch != null)];
    const secrets = new Set((await Promise.all(launches.map(driver.secretsOf, driver))).flat());
    return {
      ...log,
      lines: masked(lines, secrets),
      trouble: started === null ? 'not running' : '',
    };
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    return { ...log, trouble: messageOf(error) };
  }
}
