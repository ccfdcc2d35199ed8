// One coarse timer wheel for every deadline of a gateway: connections set a deadline by writing a
// number, which is all that happens on the hot path. A slot is looked at when its time has come; an
// entry whose deadline moved on meanwhile is put into a later slot then. Precision: one tick late.

/** Something with at most one deadline at a time. Fields are the wheel's own. */
export interface Timed {
  /** Wheel time at which `onDeadline` is due; Infinity = none. */
  deadlineAt: number;
  /** Tick of the slot that holds the entry; -1 = in none. */
  slotTick: number;
  onDeadline(): void;
}

const TICK_MS = 100;
const SLOTS = 1024;

export class Wheel {
  /** Milliseconds of the monotonic clock as of the last tick; cheap to read. */
  nowMs: number;
  readonly #slots: Set<Timed>[] = Array.from({ length: SLOTS }, () => new Set<Timed>());
  readonly #clock: () => number;
  #tick: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.nowMs = clock();
    this.#tick = Math.floor(this.nowMs / TICK_MS);
  }

  /** Starts ticking. The timer does not keep the process alive. */
  start(): void {
    this.#timer ??= setInterval(() => this.tick(), TICK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Sets the entry's deadline `ms` from now, whatever it was before. */
  set(entry: Timed, ms: number): void {
    // One tick is added because nowMs may be that much behind: a deadline never comes early.
    const at = this.nowMs + ms + TICK_MS;
    entry.deadlineAt = at;
    const tick = Math.floor(at / TICK_MS);
    if (entry.slotTick === -1) this.#put(entry, tick);
    else if (tick < entry.slotTick) {
      this.#slotOf(entry.slotTick).delete(entry);
      this.#put(entry, tick);
    }
  }

  /** No deadline for now. The entry stays in its slot until that turns, which costs nothing. */
  clear(entry: Timed): void {
    entry.deadlineAt = Number.POSITIVE_INFINITY;
  }

  /** The entry is gone for good: nothing here keeps it alive. */
  forget(entry: Timed): void {
    entry.deadlineAt = Number.POSITIVE_INFINITY;
    if (entry.slotTick !== -1) this.#slotOf(entry.slotTick).delete(entry);
    entry.slotTick = -1;
  }

  /** Works off all ticks up to the clock. Called by the timer; by hand in a simulation. */
  tick(): void {
    this.nowMs = this.#clock();
    const last = Math.floor(this.nowMs / TICK_MS);
    // After a long stall every slot is looked at once, not once per missed round.
    if (last - this.#tick > SLOTS) this.#tick = last - SLOTS;
    while (this.#tick < last) {
      this.#tick += 1;
      const slot = this.#slotOf(this.#tick);
      for (const entry of slot) {
        if (entry.slotTick > this.#tick) continue; // A later round of the wheel, or re-put just now.
        slot.delete(entry);
        entry.slotTick = -1;
        if (entry.deadlineAt <= this.nowMs) {
          entry.deadlineAt = Number.POSITIVE_INFINITY;
          entry.onDeadline();
        } else if (entry.deadlineAt !== Number.POSITIVE_INFINITY) {
          this.#put(entry, Math.floor(entry.deadlineAt / TICK_MS));
        }
      }
    }
  }

  #put(entry: Timed, tick: number): void {
    // A deadline past the rim waits in the last slot and moves on from there.
    const slotTick = Math.min(Math.max(tick, this.#tick + 1), this.#tick + SLOTS - 1);
    entry.slotTick = slotTick;
    this.#slotOf(slotTick).add(entry);
  }

  #slotOf(tick: number): Set<Timed> {
    const slot = this.#slots[tick % SLOTS];
    if (slot === undefined) throw new Error('unreachable: the wheel has a slot for every tick');
    return slot;
  }
}
