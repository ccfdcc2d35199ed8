// What a token of the control API lets its owner do. Each role may do what those before it may.
//
//   read     look: status, pages, metrics, events
//   operate  and change servers: drain, maint, undrain, weight, join, leave
//   release  and release: a deploy's receipt is opened under it

const RANKS = { read: 1, operate: 2, release: 3 } as const;

export type Role = keyof typeof RANKS;

export const ROLES = Object.keys(RANKS) as readonly Role[];

/** A token of the configuration: who may do what. */
export type NamedToken = {
  readonly name: string;
  readonly role: Role;
  readonly secret: string;
};

export function mayAct(has: Role, needs: Role): boolean {
  return RANKS[has] >= RANKS[needs];
}
