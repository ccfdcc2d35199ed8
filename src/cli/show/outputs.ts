// What a release tells the jobs and steps that come after it, and the dotenv file of `--dotenv`.

import { writeFileSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import type { ReleaseResult } from '../../release.ts';
import { remark } from '../output.ts';

export type StepOutputs = {
  readonly release: string;
  readonly service: string;
  readonly version: string;
  readonly outcome: string;
  readonly exit: string;
  /** Cut and lost together; '' when nothing was counted. */
  readonly failed_requests: string;
  readonly reason: string;
};

/** Of a release that could not begin. */
export const NO_RESULT: StepOutputs = {
  ...{ release: '', service: '', version: '', outcome: 'error', exit: '' },
  ...{ failed_requests: '', reason: '' },
};

export function outputsOf(result: ReleaseResult): StepOutputs {
  const { release, service, version, outcome, exit, reason, receipt } = result;
  const failed = receipt === null ? '' : String(receipt.cut + receipt.lost);
  return {
    release,
    service,
    version,
    outcome,
    exit: String(exit),
    failed_requests: failed,
    reason,
  };
}

/** `SLUICE_OUTCOME=failed`: a value is one line in such a file, without quotes. */
export function dotenv(outputs: StepOutputs): string {
  return Object.entries(outputs)
    .map(([name, value]) => {
      const line = value.replaceAll(/[\x00-\x1f\x7f]+/g, ' ').trim();
      return `SLUICE_${name.toUpperCase()}=${line}\n`;
    })
    .join('');
}

/** A report that cannot be written is said, and fails no release. */
export function writeDotenv(file: string, outputs: StepOutputs): void {
  try {
    writeFileSync(file, dotenv(outputs));
  } catch (error) {
    remark(`sluice: --dotenv: ${file} was not written (${messageOf(error)})`);
  }
}
