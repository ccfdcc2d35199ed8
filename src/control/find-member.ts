// The server that somebody names, or the words for why there is none.

import { SluiceError } from '../base/errors.ts';
import { type KnownUpstream, type Member, namesakes, type Table } from './table.ts';

/** @throws not_found */
export function findUpstream(table: Table, name: string): KnownUpstream {
  const known = table.upstream(name);
  if (known !== undefined) return known;
  const names = table.upstreams.map(({ config }) => config.name).join(', ');
  throw new SluiceError('not_found', `upstream "${name}": unknown; known: ${names}`);
}

/** @throws not_found */
export function findMember(
  table: Table,
  upstream: string,
  server: string,
): { readonly known: KnownUpstream; readonly member: Member } {
  const known = findUpstream(table, upstream);
  const [member, ...others] = namesakes(known.members, server);
  // What was said of a server under its other id can be taken back under that.
  const isSame = member?.state.id === server || known.overrides.has(server);
  if (member !== undefined && isSame) return { known, member };
  if (member !== undefined) {
    const ids = [member, ...others].map(({ state }) => state.id);
    const what =
      others.length === 0
        ? 'is written down as'
        : 'is a name with several addresses, each a server:';
    throw new SluiceError('not_found', `server ${server}: ${what} ${ids.join(', ')}; name that`);
  }
  throw new SluiceError(
    'not_found',
    `server ${server}: not in upstream "${upstream}"; see "sluice status ${upstream}"`,
  );
}
