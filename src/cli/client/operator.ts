// Who changes a server's admin state by hand: the person whose shell it is.

import { userInfo } from 'node:os';
import { ownerText } from '../../model.ts';

/** As an owner: `user:alice`. */
export function operator(): string {
  return ownerText({ kind: 'person', name: userName() });
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user id may have no name.
    return `${process.env['USER'] ?? process.getuid?.() ?? 'unknown'}`;
  }
}
