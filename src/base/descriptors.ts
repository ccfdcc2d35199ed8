// File descriptors of this process: how many it may have and how many it has. Every socket is one.
// Node raises the soft limit to the hard one when it starts, so what is read here is what holds.

import { readdirSync, readFileSync, statSync } from 'node:fs';

export type Descriptors = {
  /** Most that this process may have open. */
  readonly max: () => number;
  /** Open now; 0 = this system does not tell. */
  readonly open: () => number;
};

/** The usual soft limit, where the system does not tell its own. */
const MAX_USUAL = 1024;

export const processDescriptors: Descriptors = {
  max() {
    try {
      const limits = readFileSync('/proc/self/limits', 'latin1');
      const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
      return soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft ?? MAX_USUAL);
    } catch {
      // No /proc on this system.
      return MAX_USUAL;
    }
  },
  open() {
    try {
      // Since Linux 6.2 the folder's size is their number; before, and elsewhere, they are listed.
      return statSync('/proc/self/fd').size || readdirSync('/proc/self/fd').length;
    } catch {
      return 0;
    }
  },
};
