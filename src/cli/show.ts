// How a release is shown while it runs and at its end: one file per way, in one table. Adding one: its
// file in show/, its word with a sentence in show-words.ts, its line in `SHOWS`.

import type { ReleaseEvent, ReleaseResult } from '../release.ts';
import { showGithub } from './show/github.ts';
import { showGitlab } from './show/gitlab.ts';
import { showJson } from './show/json.ts';
import { showLines } from './show/lines.ts';
import { showLive } from './show/live.ts';
import type { Environment, Output } from './show-words.ts';

/** Where a release goes while it runs. `close` is called once, after all others. */
export type Show = {
  /** Values that must never be shown, before anything that could hold one. */
  readonly onSecrets: (secrets: ReadonlySet<string>) => void;
  readonly onEvent: (event: ReleaseEvent) => void;
  /** A remark that is no event. */
  readonly remark: (text: string) => void;
  readonly onResult: (result: ReleaseResult) => void;
  /** There will be no result: the release could not begin. The error itself is reported elsewhere. */
  readonly onError: (message: string) => void;
  readonly close: () => void;
};

export { NO_RESULT, outputsOf, writeDotenv } from './show/outputs.ts';
/** The last block, as `plain` and `tty` print it. */
export { resultText } from './views/result-view.ts';

const SHOWS: { readonly [Way in Output]: (environment: Environment) => Show } = {
  tty: showLive,
  plain: showLines,
  json: showJson,
  github: showGithub,
  gitlab: showGitlab,
};

export function showFor(output: Output, environment: Environment): Show {
  return SHOWS[output](environment);
}
