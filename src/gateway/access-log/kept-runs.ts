// What was written of values that seldom change, kept for the next line:
//
// - of a client: with its connection, which asks the same host, as a rule, by the same method. From the second
//   request on, because many a connection has but one.
// - of a server: by its id, where it was the one server that was tried.
//
// A run counts as long as its values are the same, so nothing of one client or server is ever said of another.
// Bounded: the length of a run, the servers, and how often a client's is made anew: that costs as much as several
// uses save, so it must be earned by them.

import type { AccessLine } from '../access-log.ts';
import type { LineBuffer } from './line-buffer.ts';
import type { Read, Write } from './line-parts.ts';

/** A longer run is not kept: a client decides about the length of a host. */
export const RUN_LENGTH_MAX = 512;
/** Servers whose runs are kept at once; with one more it begins anew. */
export const SERVERS_MAX = 1024;
/** Uses that pay for keeping a client's run once, and how many count beforehand. */
const KEEP_COST = 8;
const CREDIT_MAX = 2 * KEEP_COST;

const PIECE_MIN = 13;

/** Where a connection keeps what the log has made of it. */
export type LogKeeper = { logged: KeptRuns | undefined };
/** `of`: the one maker of lines that knows what they are. */
export type KeptRuns = { readonly of: object; readonly runs: readonly Kept[] };

type Kept = { text: string; values: readonly (string | undefined)[]; credit: number };
type Run = { readonly write: Write; readonly reads: readonly Read[] };

/** All runs of a format that are of a client. */
export class ClientRuns {
  /** Of a connection that has had one request. */
  readonly #seenOnce: KeptRuns = { of: this, runs: [] };
  /** Of the line under way. */
  #now: readonly Kept[] = this.#seenOnce.runs;
  #count = 0;

  run({ write, reads }: Run): Write {
    const place = this.#count;
    this.#count += 1;
    return (line, into, wallMs) => {
      const kept = this.#now[place];
      if (kept === undefined) return write(line, into, wallMs);
      if (isSame(kept, reads, line)) {
        if (kept.credit < CREDIT_MAX) kept.credit += 1;
        return into.text(kept.text);
      }
      const from = into.length;
      write(line, into, wallMs);
      if (kept.credit < KEEP_COST) return;
      kept.credit -= KEEP_COST;
      keep(kept, into, from, valuesOf(reads, line));
    };
  }

  begin(keeper: LogKeeper): void {
    if (this.#count === 0) return;
    let { logged } = keeper;
    if (logged?.of !== this) {
      logged = this.#seenOnce;
      keeper.logged = logged;
    } else if (logged === this.#seenOnce) {
      logged = { of: this, runs: Array.from({ length: this.#count }, nothing) };
      keeper.logged = logged;
    }
    this.#now = logged.runs;
  }
}

/** A run that is of the server. */
export class ServerRuns {
  readonly #run: Run;
  readonly #kept = new Map<string, Kept>();

  constructor(run: Run) {
    this.#run = run;
  }

  readonly write: Write = (line, into, wallMs) => {
    const { write, reads } = this.#run;
    const { onlyServer } = line;
    if (onlyServer === '') return write(line, into, wallMs);
    let kept = this.#kept.get(onlyServer);
    if (kept !== undefined && isSame(kept, reads, line)) return into.text(kept.text);
    const from = into.length;
    write(line, into, wallMs);
    if (kept === undefined) {
      if (this.#kept.size === SERVERS_MAX) this.#kept.clear();
      kept = nothing();
      this.#kept.set(onlyServer, kept);
    }
    keep(kept, into, from, valuesOf(reads, line));
  };
}

function nothing(): Kept {
  return { text: '', values: [], credit: CREDIT_MAX };
}

function isSame({ text, values }: Kept, reads: readonly Read[], line: AccessLine): boolean {
  if (text === '') return false;
  for (let place = 0; place < reads.length; place += 1) {
    if (reads[place]?.(line) !== values[place]) return false;
  }
  return true;
}

function keep(kept: Kept, into: LineBuffer, from: number, values: Kept['values']): void {
  const isShort = into.length - from <= RUN_LENGTH_MAX;
  kept.text = isShort ? into.since(from) : '';
  kept.values = isShort ? values : [];
}

function valuesOf(reads: readonly Read[], line: AccessLine): (string | undefined)[] {
  return reads.map((read) => flat(read(line)));
}

/** As a text of its own: a piece of a head keeps all of that. V8 makes pieces of what is longer alone. */
function flat(text: string | undefined): string | undefined {
  return text === undefined || text.length < PIECE_MIN ? text : text.split('').join('');
}
