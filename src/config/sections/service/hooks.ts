// Commands at the points of a release.

import type { z } from 'zod';
import { section } from '../shapes.ts';
import { choice, duration, text } from '../values.ts';

const keys = {
  run: text({
    about: 'The command, for `sh -c`.',
    kind: 'command',
    problemOf: (value) => (value.trim() === '' ? 'is empty; write a command' : ''),
  }),
  timeout: duration({ about: 'After that it is ended, and has failed.', initial: '60s' }),
};

/** Of the whole release: on the machine that deploys. A text alone is the command. */
const ofRelease = (about: string) => section(about, keys, 'run').optional();

/** Of each instance. */
const ofInstance = (about: string) =>
  section(
    about,
    {
      on: choice({
        about:
          '`local`: on the machine that deploys, in the folder of this file and with its environment. `host`: where the instance runs, in its `cwd`.',
        initial: 'local',
        words: ['local', 'host'],
      }),
      ...keys,
    },
    'run',
  ).optional();

export const hooksSchema = section(
  'Commands at the points of a release, with SLUICE_RELEASE, SLUICE_SERVICE, SLUICE_VERSION, SLUICE_HOOK and, of an instance, SLUICE_INSTANCE, SLUICE_HOST, SLUICE_PORT and SLUICE_FROM in their environment. None runs while an old version is brought back.',
  {
    before_release: ofRelease(
      'Before the first instance is touched. When it fails, nothing was changed.',
    ),
    before_stop: ofInstance(
      'Of an instance that is drained. When it fails, the instance goes back into traffic and the release ends.',
    ),
    after_start: ofInstance(
      'When the new process has passed its check, before it takes requests. When it fails, the instance has failed its check.',
    ),
    after_release: ofRelease('When all is done. When it fails, that is a note.'),
    on_failure: ofRelease(
      'When the release has failed or was interrupted; with SLUICE_OUTCOME and SLUICE_REASON. When it fails, that is a note.',
    ),
  },
).prefault({});

export type HooksFile = z.output<typeof hooksSchema>;
