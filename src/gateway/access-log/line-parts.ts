// A format, made ready once: its parts become a list of functions that put a line into the buffer, one piece after
// the other. Parts that stand side by side and seldom change are a run: what a request has had written of them,
// escaped and joined, is kept (kept-runs.ts) and copied for the next one, as long as the values are the same.
//
//   {"time":"  time  ","client":"  client  …  "host":"  host  ","target":"  target  ","ms":  ms  …
//   text       write  └──────────────── run of a client ──────────────┘     each    text     write

import type { AccessLine } from '../access-log.ts';
import { ClientRuns, ServerRuns } from './kept-runs.ts';
import { type LineBuffer, readyOf } from './line-buffer.ts';

/** undefined: there is none, which stands as the format writes it. */
export type Read = (line: AccessLine) => string | undefined;
/** `wallMs`: when it ended, for everybody's clock. */
export type Write = (line: AccessLine, into: LineBuffer, wallMs: number) => void;

export type Part =
  | { readonly kind: 'text'; readonly text: string }
  /** Writes by itself: numbers, times. */
  | { readonly kind: 'write'; readonly write: Write }
  | ValuePart;

/** By whom its value seldom changes; each: it may be another with each request. */
export type ValuePart = {
  readonly kind: 'client' | 'server' | 'each';
  readonly read: Read;
  /** Nothing in it is a client's, so nothing needs to be escaped. */
  readonly isPlain?: boolean;
  /** It says which servers were tried: nothing else for the same server. */
  readonly isServer?: boolean;
};

export type LineStyle = {
  readonly escapes: (text: string) => string;
  /** What stands for a value that is not there. */
  readonly none: string;
};

export function lineWriter(parts: readonly Part[], style: LineStyle): Write {
  const clients = new ClientRuns();
  const writes = runsOf(parts).flatMap(({ kind, parts: own }) => {
    const each = own.map((part) => writeOf(part, style));
    if (kind === 'each' || !isWorthKeeping(own)) return each;
    const run = { write: inOrder(each), reads: own.flatMap(comparedReads) };
    return kind === 'client' ? clients.run(run) : new ServerRuns(run).write;
  });
  const all = inOrder(writes);
  return (line, into, wallMs) => {
    clients.begin(line.keeper);
    all(line, into, wallMs);
  };
}

type Run = { kind: 'client' | 'server' | 'each'; readonly parts: Part[] };

/** Text joins the steady run before it, or whatever comes behind it. */
function runsOf(parts: readonly Part[]): Run[] {
  const runs: Run[] = [];
  let isOpen = false;
  for (const part of parts) {
    const last = runs.at(-1);
    const kind = part.kind === 'client' || part.kind === 'server' ? part.kind : 'each';
    const joins = last !== undefined && last.kind !== 'each' && part.kind === 'text';
    if (last !== undefined && (joins || isOpen || (last.kind === kind && kind !== 'each'))) {
      last.parts.push(part);
      if (isOpen) last.kind = kind;
    } else runs.push({ kind, parts: [part] });
    isOpen = part.kind === 'text' && !joins;
  }
  return runs;
}

/** One value that needs no escaping is written as soon as it is found. */
function isWorthKeeping(parts: readonly Part[]): boolean {
  const values = parts.flatMap((part) => ('read' in part ? [part] : []));
  return values.length > 1 || values.some(({ isPlain }) => isPlain !== true);
}

function comparedReads(part: Part): Read[] {
  return part.kind === 'text' || part.kind === 'write' || part.isServer === true ? [] : [part.read];
}

function writeOf(part: Part, { escapes, none }: LineStyle): Write {
  if (part.kind === 'write') return part.write;
  if (part.kind === 'text') {
    const ready = readyOf(part.text);
    return (_, into) => into.ready(ready);
  }
  const { read } = part;
  if (part.isPlain === true) return (line, into) => into.text(read(line) ?? none);
  // Names in a configuration may be in any script; what a client sends is latin1.
  if (part.kind === 'server') {
    return (line, into) => {
      const value = read(line);
      into.text(value === undefined ? none : escapes(value));
    };
  }
  return (line, into) => {
    const value = read(line);
    if (value === undefined) into.text(none);
    else into.escaped(value, escapes);
  };
}

function inOrder(writes: readonly Write[]): Write {
  return (line, into, wallMs) => {
    for (const write of writes) write(line, into, wallMs);
  };
}
