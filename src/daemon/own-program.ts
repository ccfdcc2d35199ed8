// How this program is run once more beside the daemon: with the file of its configuration, which says the address and
// the tokens of the control API. Where it does not, the address is on the command line, and the token, which
// must not be there, in the environment.

import { resolve } from 'node:path';
import { type Address, formatAddress } from '../base/units.ts';
import type { Config } from '../config.ts';
import type { Program } from '../control.ts';

/** Undefined: there is no file that another process could read. */
export function ownProgram(
  command: readonly [string, string],
  { admin, file }: Config,
  bound: Address | undefined,
): Program | undefined {
  if (file === '' || bound === undefined) return undefined;
  const options = ['-c', resolve(file)];
  if (admin.listen.port !== 0) return { command, options, environment: {} };
  const [token = ''] = [admin.token, ...tokensOf(admin)].filter(Boolean);
  const scheme = admin.tls === null ? 'http' : 'https';
  return {
    command,
    options: [
      ...[...options, '--control', `${scheme}://${formatAddress(bound)}`],
      ...(admin.tls === null ? [] : ['--ca', admin.tls.cert]),
    ],
    environment: token === '' ? {} : { SLUICE_TOKEN: token },
  };
}

function tokensOf({ tokens }: Config['admin']): readonly string[] {
  return tokens.filter(({ role }) => role === 'release').map(({ secret }) => secret);
}
