// Events as a list that can be searched: what was asked in a few words, who asked, and whether it was done.

import type { EventDocument } from '../../../src/admin/contract.ts';

export type EventFilter = {
  readonly text: string;
  readonly upstream: string;
  /** Refused or failed ones alone. */
  readonly onlyBad: boolean;
};

/** `drain`, `weight 5`, `kvWrite`: of an admin state its word says more than the name of the route. */
export function deedOf({ action, asked }: EventDocument): string {
  const { state, weight, command } = asked as Readonly<Record<string, unknown>>; // Whatever was sent.
  if (action === 'setAdmin' && typeof state === 'string')
    return state === 'ready' ? 'undrain' : state;
  if (action === 'setWeight') return `weight ${String(weight)}`;
  if (action === 'commandRelease' && typeof command === 'string') return command;
  return action;
}

/** What it was done to: a server, a service, a key. */
export function objectOf({ upstream, server, asked }: EventDocument): string {
  if (server !== '') return `${upstream} ${server}`;
  if (upstream !== '') return upstream;
  const { key, service } = asked as Readonly<Record<string, unknown>>; // As above.
  if (typeof key === 'string') return key;
  return typeof service === 'string' ? service : '';
}

export function reasonOf({ asked, after }: EventDocument): string {
  const { reason, why } = asked as Readonly<Record<string, unknown>>; // As above.
  if (typeof reason === 'string' && reason !== '') return reason;
  return typeof why === 'string' ? why : after.reason;
}

export function isBad({ result }: EventDocument): boolean {
  return result !== 'ok';
}

/** Newest first. */
export function shownEvents(
  events: Readonly<Record<string, EventDocument>>,
  { text, upstream, onlyBad }: EventFilter,
): readonly (readonly [string, EventDocument])[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return Object.entries(events)
    .toSorted(([one], [other]) => Number(other) - Number(one))
    .filter(([, event]) => {
      if (onlyBad && !isBad(event)) return false;
      if (upstream !== '' && event.upstream !== upstream) return false;
      if (words.length === 0) return true;
      const whole = `${deedOf(event)} ${JSON.stringify(event)}`.toLowerCase();
      return words.every((word) => whole.includes(word));
    });
}
