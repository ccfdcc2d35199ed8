// The time of the event that is being worked on: read once where its bytes come in, not at each of the six places
// that want it. Between events there is none, and the clock is asked.

let eventMs = -1;

/** The monotonic clock, ms. */
export function eventNow(): number {
  return eventMs >= 0 ? eventMs : performance.now();
}

export function beginEvent(): void {
  eventMs = performance.now();
}

export function endEvent(): void {
  eventMs = -1;
}
