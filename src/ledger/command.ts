// What somebody may want of the release that runs. The newest command alone is kept, so one that its runner
// has perhaps not heard yet is not lost to another one that would undo it. Pure.

import type { CommandDocument, CommandRequest, LockDocument } from '../admin/contract.ts';
import { SluiceError } from '../base/errors.ts';

/** @throws not_found when no release runs; conflict: it is another one, or it cannot be told that now */
export function commandFor(
  service: string,
  { holder, asked, fence }: LockDocument,
  { command, owner, why, release = '' }: CommandRequest,
): CommandDocument {
  if (holder === null) throw new SluiceError('not_found', `service "${service}": no release runs`);
  const name = `release ${holder.release} of "${service}"`;
  if (release !== '' && release !== holder.release) {
    throw new SluiceError('conflict', `${name} runs, not ${release}; nothing was done`);
  }
  const { waits } = holder;
  const seq = (asked?.seq ?? fence * 1000) + 1;
  const isApproved =
    waits !== undefined && asked?.command === 'approve' && asked.before === waits.before;
  // An abort ends it, whatever was said before.
  if (command !== 'abort' && command !== 'abort_now' && isApproved) {
    const advice = command === 'approve' ? 'nothing more is to be done' : 'try again in a moment';
    throw new SluiceError('conflict', `${name}: ${asked.by} has just approved it; ${advice}`);
  }
  if (command !== 'approve') return { seq, command, by: owner, why, before: undefined };
  if (waits === undefined) {
    const advice = `see what it does: sluice show ${service}`;
    throw new SluiceError('conflict', `${name} does not wait for an approval; ${advice}`);
  }
  return { seq, command, by: owner, why, before: waits.before };
}
