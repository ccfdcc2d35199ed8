// A release as NDJSON: one event per line, as it happens; the last is the result.

import { remark } from '../output.ts';
import type { Show } from '../show.ts';

export function showJson(): Show {
  return {
    onSecrets: () => {},
    onEvent: (event) => void process.stdout.write(`${JSON.stringify(event)}\n`),
    remark,
    onResult: () => {},
    onError: () => {},
    close: () => {},
  };
}
