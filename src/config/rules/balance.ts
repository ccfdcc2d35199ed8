// The rules between the keys of balancing.

import type { Path } from '../document.ts';
import { HASH_KEY_INITIAL } from '../sections/balance.ts';
import type { UpstreamFile } from '../sections/upstream.ts';
import type { Findings } from './upstreams.ts';

export function checkBalancing(upstream: UpstreamFile, path: Path, findings: Findings): void {
  if (upstream.balance !== 'hash') {
    const idle = [
      ['hash_key', upstream.hash_key !== HASH_KEY_INITIAL],
      ['hash_balance_factor', upstream.hash_balance_factor !== 0],
    ] as const;
    for (const [key, isSet] of idle) {
      if (!isSet) continue;
      const message = `has no meaning with balance: ${upstream.balance}; write balance: hash, or remove it`;
      findings.problem([...path, key], message, 'key');
    }
  }
  const factor = upstream.hash_balance_factor;
  if (factor > 0 && factor <= 100) {
    const message = `${factor} leaves no room above the mean; write more than 100, like 125, or 0`;
    findings.problem([...path, 'hash_balance_factor'], message);
  }
  if (upstream.sticky?.same_site === 'none' && !upstream.sticky.secure) {
    const message = 'browsers drop a cookie with none that is not secure; write secure: on';
    findings.problem([...path, 'sticky', 'same_site'], message);
  }
}
