// What a configuration in TypeScript imports, as `sluice/config`: `sluice.config.ts` has the keys of
// sluice.yaml in camelCase, and an editor completes them. Nothing here does anything: the file is data.

import type { ConfigInput } from './input.ts';

export type { ConfigInput, ServiceInput, UpstreamInput } from './input.ts';

/** The configuration as it is; its type is what helps to write it. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}

/**
 * A reference to a secret: `env:NAME`, `file:/path`, `cmd:program word`. The value is read by whoever needs it, so
 * that it is neither in the file nor in what is made of it.
 */
export function secret(reference: `env:${string}` | `file:/${string}` | `cmd:${string}`): string {
  if (/^(env:[A-Za-z_]\w*|file:\/.+|cmd:.*\S.*)$/.test(reference)) return reference;
  // The text is not shown: it may be the secret itself.
  throw new TypeError('secret() takes a reference: env:NAME, file:/path or cmd:program');
}
