// Which release a rollback of a service is, for the verb that does it and for the one that plans it.

import type { ServiceConfig } from '../../../config.ts';
import { configOf, controlOf, type GlobalOptions } from '../../client/target.ts';
import type { ToRun } from '../release-run.ts';
import { originOf, serviceOf } from '../service.ts';
import { placeOf } from './place.ts';

export type RollbackRun = Omit<ToRun, 'why' | 'allowDowntime' | 'artifactRelease'> & {
  readonly service: ServiceConfig;
  /** The folder of the version on the hosts; '' = none. */
  readonly artifactRelease: string;
};

/** `to` '' is the last good version. @throws preflight_failed when there is none */
export async function rollbackRun(
  name: string,
  to: string,
  options: GlobalOptions,
): Promise<RollbackRun> {
  const { readHistory, readRelease, rollbackTarget } = await import('../../../release.ts');
  const config = await configOf(options);
  const service = serviceOf(config, name);
  const control = await controlOf(options);
  const history = await readHistory(service, control.releases);
  const { version, of } = rollbackTarget(name, history, to);
  const good = history.find((past) => past.version === version && past.complete);
  const { shared } = await control.releases.history(name);
  const isPlaced = service.artifact !== null && good !== undefined;
  const records = isPlaced
    ? await readRelease(service, good.id, shared ? control.releases : null)
    : [];
  return {
    ...{ service, control, version, of, force: false },
    kind: 'rollback' as const,
    artifactRelease: isPlaced ? placeOf(service, good.id, records) : '',
    origin: originOf(config, service),
  };
}
