// Which gateways a statement is about. Gateways that share a registry know each other through it: what is
// said of a drain, a pool or a receipt holds for the one that answered and for those that it has heard.
// Of any other nothing may be said. All words about this are in this file.

export type Scope = {
  /** The gateway that answered: `pid 4711 on web-1`. */
  readonly gateway: string;
  /** The other gateways that serve the same upstreams and have confirmed what is said. */
  readonly heard: readonly string[];
  /** Those that have not, each with the reason: `pid 7 on web-2 (silent since 12:00:01Z)`. */
  readonly unheard: readonly string[];
};

/** True when other gateways may see it otherwise. */
export function isPartial({ unheard }: Scope): boolean {
  return unheard.length > 0;
}

/** Who was not heard; '' when there is nobody. */
export function notHeard({ unheard }: Scope): string {
  return unheard.length === 0 ? '' : `not heard: ${unheard.join(', ')}`;
}

/** What it means that a server is idle: one clause, to stand behind that word. */
export function idleMeaning(scope: Scope): string {
  const count = scope.heard.length + 1;
  if (isPartial(scope)) {
    const where = count === 1 ? `on this gateway only (${scope.gateway})` : `on ${count} gateways`;
    return `${where}; ${notHeard(scope)}, and may still send it requests`;
  }
  return count === 1
    ? 'safe to stop: this gateway sends it nothing more'
    : `safe to stop: all ${count} gateways send it nothing more`;
}

/** Whose counts and whose pool were seen. */
export function seenBy(scope: Scope): string {
  const seen = [scope.gateway, ...scope.heard].join(', ');
  return isPartial(scope) ? `${seen} only; ${notHeard(scope)}` : seen;
}

/** Of a server that was given back while the registry is away, and is still out in this state. */
export function givenBackMeaning(state: string): string {
  return `still in ${state}: the registry is away, and other gateways may go by that; it takes requests again when the registry is back, else when this gateway's lease has surely ended (twice registry.gateways.lease)`;
}
