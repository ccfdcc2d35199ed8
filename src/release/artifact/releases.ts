// The versions on one host: which one the link leads to, which one failed, which ones are removed.

import { join } from 'node:path';
import type { Host, HostClaim } from '../hosts.ts';
import { PRUNE, runScript, SWEEP, SWITCH } from './host-scripts.ts';
import { BAD_MARK } from './place.ts';

const SWITCH_MS = 30_000;
const PRUNE_MS = 10 * 60_000;

export type LinkTo = { readonly path: string; readonly link: string; readonly release: string };

/** Why it does not lead there; '' when it does. */
export async function switchLink(
  host: Host,
  { path, link, release }: LinkTo,
  claim?: HostClaim,
): Promise<string> {
  const options = { timeoutMs: SWITCH_MS, claim };
  const end = await runScript(host, SWITCH, [path, link, release], options);
  if (end.code === 0) return '';
  return end.stderr.trim() || `the link ${join(path, link)} cannot be made`;
}

/** So that nobody goes back to it without knowing. */
export function markBad(
  host: Host,
  place: { readonly path: string; readonly release: string },
  why: string,
): Promise<void> {
  return host.put(join(place.path, 'releases', place.release, BAD_MARK), `${why}\n`);
}

/** After a success. What was removed, and why not all of it was. */
export async function prune(
  host: Host,
  options: {
    readonly path: string;
    readonly keep: number;
    /** The version that is released now. */
    readonly release: string;
    /** Those that something may go back to. */
    readonly needed: readonly string[];
    readonly claim?: HostClaim | undefined;
  },
): Promise<{ readonly removed: readonly string[]; readonly trouble: string }> {
  const { path, keep, release, needed, claim } = options;
  const args = [path, String(keep), release, ...needed];
  const end = await runScript(host, PRUNE, args, { timeoutMs: PRUNE_MS, claim });
  const removed = end.stdout.split('\n').filter(Boolean);
  return { removed, trouble: end.code === 0 ? '' : end.stderr.trim() || 'it took too long' };
}

/** How long an upload may take, min. */
const UPLOAD_MAX = 60;

/** Removes what uploads have left that were cut off. `young`: as many may be under way. */
export async function sweep(
  host: Host,
  path: string,
): Promise<{ readonly removed: number; readonly young: number }> {
  const { stdout } = await runScript(host, SWEEP, [path, String(UPLOAD_MAX)], {
    timeoutMs: SWITCH_MS,
  });
  const [removed = 0, young = 0] = stdout.trim().split(' ').map(Number);
  return { removed, young };
}
