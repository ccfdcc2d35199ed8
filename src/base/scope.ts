// Which gateway a statement is about. Drains, verdicts and counts belong to one gateway. Others may follow
// the same registry; nobody has asked them, so nothing may be said of them. All words about this are in
// this file.

export type Scope = {
  /** The gateway that answered: `pid 4711 on web-1`. */
  readonly gateway: string;
  /** The registry that other gateways may follow too, `the Consul at 10.0.0.1:8500`; '' = none can. */
  readonly sharedRegistry: string;
};

/** True when other gateways may send requests to the same servers. */
export function isShared({ sharedRegistry }: Scope): boolean {
  return sharedRegistry !== '';
}

/** What was not asked; '' when there is nobody to ask. */
export function notAsked(scope: Scope): string {
  return isShared(scope) ? `other gateways that follow ${scope.sharedRegistry} were not asked` : '';
}

/** What it means that a server is idle: one clause, to stand behind that word. */
export function idleMeaning(scope: Scope): string {
  return isShared(scope)
    ? `on this gateway only (${scope.gateway}); ${notAsked(scope)} and may still send it requests`
    : 'safe to stop: this gateway sends it nothing more';
}

/** Whose counts and whose pool were seen. */
export function seenBy(scope: Scope): string {
  return isShared(scope) ? `${scope.gateway} only; ${notAsked(scope)}` : scope.gateway;
}
