// What a caller may do, in the words of Consul's ACL rules. A handler asks before it reads or writes;
// a list leaves out what may not be read instead of refusing. Who has which rights is acl.ts's matter.

import { type Answer, textAnswer } from './http.ts';

export type Resource =
  | 'acl'
  | 'agent'
  | 'event'
  | 'key'
  | 'keyring'
  | 'node'
  | 'operator'
  | 'query'
  | 'service'
  | 'session';

/** `list` is for keys alone: to read a whole prefix. Who may write may also read and list. */
export type Access = 'read' | 'list' | 'write';

export type Rights = {
  /** `name`: of the key, node, service and so on; '' for acl, keyring and operator, which have none. */
  allows(resource: Resource, access: Access, name: string): boolean;
  /** For everything of the resource whose name begins like this; what a write of a tree asks. */
  allowsAll(resource: 'key', access: Access, prefix: string): boolean;
  /** Nothing is ever refused: the answer does not depend on who asks. */
  readonly unlimited: boolean;
  /** Equal names, equal rights: for answers that are kept and shared. */
  readonly name: string;
};

/** Of everybody while access control is off, and of management tokens. */
export const ALL_RIGHTS: Rights = {
  allows: () => true,
  allowsAll: () => true,
  unlimited: true,
  name: '',
};

export function permissionDenied(why = ''): Answer {
  return textAnswer(403, `Permission denied${why === '' ? '' : `: ${why}`}`);
}
