// A release in a job of GitLab: lines as in any log, in one section per instance. A section is closed
// when the page is opened. What has failed goes on in a section of its own that is open.

import { remark } from '../output.ts';
import type { Show } from '../show.ts';
import { GitlabLog } from './gitlab-log.ts';
import { beating, write } from './lines.ts';

export function showGitlab(): Show {
  const log = new GitlabLog();
  const beat = beating(write);
  const say = (lines: readonly string[]): void => lines.forEach(write);
  return {
    onSecrets: () => {},
    onEvent: (event) => {
      beat.heartbeat.saw(event, performance.now());
      say(log.lines(event, Date.now()));
    },
    remark,
    onResult: (result) => say(log.result(result, Date.now())),
    onError: () => {},
    close: beat.stop,
  };
}
