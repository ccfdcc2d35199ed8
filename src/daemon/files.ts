// The files that a configuration names and a start reads: certificates, keys and tokens. All of them are
// read before anything is opened, so that every one that cannot be used is said at once.

import { isDeepStrictEqual } from 'node:util';
import { readCredentials } from '../admin.ts';
import { isSluiceError, messageOf, SluiceError } from '../base/errors.ts';
import { readListeners, readUpstreams } from '../certificates.ts';
import type { Config, GatewayConfig, UpstreamConfig, UpstreamTls } from '../config.ts';
import { kindOf } from '../registry.ts';

/**
 * What of them is worth a line, though they can be used.
 * @throws config_invalid, a line for each part whose files cannot be used
 */
export function checkFiles({
  file,
  gateway,
  admin,
  registry,
  registries,
  upstreams,
}: Config): readonly string[] {
  const problems: string[] = [];
  const check = (place: string, read: () => void): void => {
    try {
      read();
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      problems.push([file, place, messageOf(error)].filter((part) => part !== '').join(': '));
    }
  };
  const listeners = readListeners(gateway.listen);
  const withFile = (text: string): string => (file === '' ? text : `${file}: ${text}`);
  const secured = readUpstreams({ ...gateway.upstreamTls, ...checksOf(upstreams, gateway) });
  problems.push(...[...listeners.problems, ...secured.problems].map(withFile));
  const { tls } = admin;
  if (tls !== null) check('', () => void readCredentials(tls));
  check('registry', () => kindOf(registry.settings).checkFiles(registry.settings));
  for (const { name, settings } of registries) {
    check(`registries.${name}`, () => kindOf(settings).checkFiles(settings));
  }
  if (problems.length === 0) {
    return [...listeners.warnings, ...secured.warnings].map(withFile);
  }
  throw new SluiceError('config_invalid', problems.join('\n'), {
    details: { file, count: problems.length },
  });
}

/** TLS of checks, where it is not that of their upstream. */
function checksOf(
  upstreams: readonly UpstreamConfig[],
  { upstreamTls }: Pick<GatewayConfig, 'upstreamTls'>,
): Readonly<Record<string, UpstreamTls>> {
  return Object.fromEntries(
    upstreams.flatMap(({ name, check }) =>
      check?.tls === undefined || isDeepStrictEqual(check.tls, upstreamTls[name])
        ? []
        : [[`${name}.check`, check.tls]],
    ),
  );
}
