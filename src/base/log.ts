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

/** Lines that wait for room on a full disk; what comes beyond is dropped. */
const WAITING_BYTES_MAX = 1024 * 1024;

/**
 * A log that writes JSON lines to standard error: standard output belongs to the command. What
 * cannot be written now (a full disk) waits for the next line; it never ends the program.
 */
export function createLog(level: LogLevel, fields: Record<string, unknown> = {}): Log {
  const output = pino.destination({ dest: 2, sync: true, maxLength: WAITING_BYTES_MAX });
  // There is nowhere else to say it.
  output.on('error', () => {});
  return pino({ level, base: fields, timestamp: pino.stdTimeFunctions.isoTime }, output);
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
