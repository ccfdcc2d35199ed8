// How an instance is stopped: the section `stop`, and the key that was there before it.

import { section } from '../shapes.ts';
import { optionalChoice, optionalDuration } from '../values.ts';

/** What an instance can be told to end by. */
const STOP_SIGNALS = ['TERM', 'INT', 'QUIT', 'HUP', 'USR1', 'USR2', 'WINCH'] as const;

export const stopShape = {
  stop: section('How an instance is stopped.', {
    signal: optionalChoice({
      about: 'The first signal; then KILL. Default: TERM; `systemd`, `pm2`: their own.',
      words: STOP_SIGNALS,
    }),
    to: optionalChoice({
      about:
        'Who gets it. `main` (default): the process that was started, and the rest once it is gone, or after a third of the time. `tree`: all at once.',
      words: ['main', 'tree'],
    }),
    timeout: optionalDuration({
      about: 'From the signal to KILL. Default: 30s.',
      least: '0',
    }),
  }).prefault({}),
  stop_timeout: optionalDuration({
    about: 'The older name of `stop: { timeout }`.',
    least: '0',
  }),
};
