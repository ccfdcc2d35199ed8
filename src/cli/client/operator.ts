// Who changes a server's admin state by hand: the person whose shell it is.

import { userInfo } from 'node:os';

/** `user:alice` */
export function operator(): string {
  try {
    return `user:${userInfo().username}`;
  } catch {
    // A container's user id may have no name.
    return `user:${process.env['USER'] ?? process.getuid?.() ?? 'unknown'}`;
  }
}
