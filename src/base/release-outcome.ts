// How a release may have ended so that somebody can go on with it: it did not come to its end, or somebody
// ended it at a safe point. One that failed is not gone on with: the version is to blame.

const RESUMABLE: ReadonlySet<string> = new Set(['', 'interrupted', 'aborted']);

export function mayBeResumed(outcome: string): boolean {
  return RESUMABLE.has(outcome);
}
