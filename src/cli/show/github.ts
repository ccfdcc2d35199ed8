// A release in a job of GitHub Actions: the log (github-log.ts), the job's summary page, and the outputs
// of the step (`release`, `outcome`, `exit`, `failed_requests`, `reason`) for the steps after it.

import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import { remark } from '../output.ts';
import type { Show } from '../show.ts';
import type { Environment } from '../show-words.ts';
import { GithubLog, maskLines } from './github-log.ts';
import { beating, write } from './lines.ts';
import { NO_RESULT, outputsOf, type StepOutputs } from './outputs.ts';
import { summary } from './summary.ts';

export function showGithub(environment: Environment): Show {
  const log = new GithubLog();
  const masked = new Set<string>();
  const beat = beating(write);
  const say = (lines: readonly string[]): void => lines.forEach(write);
  const append = (variable: string, text: string): void => {
    const file = environment[variable] ?? '';
    if (file === '') return;
    try {
      appendFileSync(file, text);
    } catch (error) {
      remark(`sluice: ${variable}: ${file} was not written (${messageOf(error)})`);
    }
  };
  return {
    // Nobody but the runner may see them: on a terminal they would be printed as they are.
    onSecrets: (secrets) => {
      if (environment['GITHUB_ACTIONS'] !== 'true') return;
      say(maskLines(new Set([...secrets].filter((secret) => !masked.has(secret)))));
      for (const secret of secrets) masked.add(secret);
    },
    onEvent: (event) => {
      beat.heartbeat.saw(event, performance.now());
      say(log.lines(event));
    },
    remark,
    onResult: (result) => {
      say(log.result(result));
      append('GITHUB_STEP_SUMMARY', summary(result));
      append('GITHUB_OUTPUT', outputLines(outputsOf(result)));
    },
    onError: (message) => {
      say(log.error(message));
      append('GITHUB_OUTPUT', outputLines({ ...NO_RESULT, reason: message }));
    },
    close: beat.stop,
  };
}

/** With a delimiter that nobody can guess, so that no value can end itself and begin another output. */
export function outputLines(outputs: StepOutputs, delimiter = `sluice_${randomUUID()}`): string {
  return Object.entries(outputs)
    .map(([name, value]) => `${name}<<${delimiter}\n${value}\n${delimiter}\n`)
    .join('');
}
