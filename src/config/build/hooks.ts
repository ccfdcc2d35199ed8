// Commands at the points of a release: the file's shape → the program's.

import type { ServiceFile } from '../sections/service.ts';
import type { HookConfig, HooksConfig } from '../types.ts';

type HookFile = { readonly run: string; readonly timeout: number; readonly on?: 'local' | 'host' };

export function hooksOf({ hooks }: ServiceFile): HooksConfig {
  return {
    beforeRelease: hookOf(hooks.before_release),
    beforeStop: hookOf(hooks.before_stop),
    afterStart: hookOf(hooks.after_start),
    afterRelease: hookOf(hooks.after_release),
    onFailure: hookOf(hooks.on_failure),
  };
}

function hookOf(hook: HookFile | undefined): HookConfig | null {
  if (hook === undefined) return null;
  return { on: hook.on ?? 'local', command: hook.run, timeoutMs: hook.timeout };
}
