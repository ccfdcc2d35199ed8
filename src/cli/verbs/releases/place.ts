// Where the artifact of an earlier release is on the hosts, by its journal.

import type { ReleaseJournal } from '../../../admin/contract.ts';
import { SluiceError } from '../../../base/errors.ts';
import type { ServiceConfig } from '../../../config.ts';

/** The folder of its version; '' where there is no artifact. @throws preflight_failed */
export function placeOf(
  service: ServiceConfig,
  release: string,
  records: ReleaseJournal['records'],
): string {
  if (service.artifact === null) return '';
  const plan = records.find(({ kind }) => kind === 'plan');
  const text = JSON.stringify(plan?.data ?? {});
  const [, folder = ''] = /"kind":"activate"[^}]*"release":"([\w.+-]+)"/.exec(text) ?? [];
  // Before the first step it may not have been brought to all hosts.
  if (folder !== '' && records.some(({ kind }) => kind === 'intent')) return folder;
  throw new SluiceError(
    'preflight_failed',
    `service "${service.name}": the artifact of ${release} is not known to be on the hosts; deploy it again`,
  );
}
