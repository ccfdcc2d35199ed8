// Structured logs (pino, JSON lines). `msg` is a constant, the data is in fields. One child per
// component. No secrets, no bodies.

import { pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

type Write = (fields: Record<string, unknown>, message: string) => void;

/** The part of pino that the program uses, so that a test can pass its own. */
export type Log = {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
  child(fields: Record<string, unknown>): Log;
};

/** The log of a process. */
export type RootLog = Log & {
  /** Of this one and all its children. */
  setLevel(level: LogLevel): void;
};

/** Lines that wait for room on a full disk; what comes beyond is dropped. */
const WAITING_BYTES_MAX = 1024 * 1024;

/**
 * A log that writes JSON lines to standard error: standard output belongs to the command. What
 * cannot be written now (a full disk) waits for the next line; it never ends the program.
 */
export function createLog(level: LogLevel, fields: Record<string, unknown> = {}): RootLog {
  const output = pino.destination({ dest: 2, sync: true, maxLength: WAITING_BYTES_MAX });
  // There is nowhere else to say it.
  output.on('error', () => {});
  const options = { level: 'debug', base: fields, timestamp: pino.stdTimeFunctions.isoTime };
  const least = { rank: RANKS[level] };
  return {
    ...leveled(pino(options, output), least),
    setLevel(next) {
      least.rank = RANKS[next];
    },
  };
}

const RANKS: Readonly<Record<LogLevel, number>> = {
  debug: 0,
  info: 1,
  warn: 2,
  error: 3,
  silent: 4,
};

/** Children of pino keep the level that they were made with; these ask again. */
function leveled(log: Log, least: { readonly rank: number }): Log {
  const of =
    (level: Exclude<LogLevel, 'silent'>): Write =>
    (fields, message) => {
      if (RANKS[level] >= least.rank) log[level](fields, message);
    };
  return {
    ...{ debug: of('debug'), info: of('info'), warn: of('warn'), error: of('error') },
    child: (fields) => leveled(log.child(fields), least),
  };
}

const nothing = (): void => {};

/** A log that drops everything; for tests and embedding. */
export const silentLog: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLog,
};
