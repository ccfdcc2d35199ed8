// The one error class and the one table of its codes: code → CLI exit code and HTTP status of the
// control API. Modules throw `new SluiceError(code, message)`; callers match on `code`, never on
// the text. What a peer on the data path can cause is not an error but a value: see gateway/.

/** What went wrong, as a stable word. `exit` is the CLI's exit code, `status` the control API's. */
const TABLE = {
  usage: { exit: 2, status: 400 },
  config_invalid: { exit: 2, status: 422 },
  config_missing: { exit: 2, status: 404 },
  address_in_use: { exit: 2, status: 500 },
  address_unavailable: { exit: 2, status: 500 },
  data_dir_unusable: { exit: 2, status: 500 },
  preflight_failed: { exit: 3, status: 409 },
  locked: { exit: 4, status: 409 },
  guard_refused: { exit: 5, status: 409 },
  release_failed: { exit: 1, status: 500 },
  rolled_back: { exit: 6, status: 500 },
  rollback_failed: { exit: 7, status: 500 },
  not_approved: { exit: 8, status: 409 },
  unreachable: { exit: 9, status: 502 },
  host_unreachable: { exit: 1, status: 502 },
  unauthorized: { exit: 2, status: 401 },
  too_many: { exit: 1, status: 429 },
  forbidden: { exit: 2, status: 403 },
  not_found: { exit: 2, status: 404 },
  method_not_allowed: { exit: 2, status: 405 },
  conflict: { exit: 1, status: 409 },
  timeout: { exit: 1, status: 504 },
  registry_unreachable: { exit: 9, status: 502 },
  registry_refused: { exit: 1, status: 502 },
  storage_full: { exit: 1, status: 507 },
  storage_failed: { exit: 1, status: 500 },
  too_large: { exit: 1, status: 413 },
  internal: { exit: 1, status: 500 },
} as const;

export type ErrorCode = keyof typeof TABLE;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(TABLE, text);
}

/** Every code, in the order of the table; for the documentation and its test. */
export function errorCodes(): readonly ErrorCode[] {
  return Object.keys(TABLE).filter(isErrorCode);
}

/** An expected failure. The message is lower case, names the object, the cause and the remedy. */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  /** Facts for `--json` and the control API; never secrets. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SluiceError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** True for an error with one of our codes, also when it crossed a module copy or a process. */
export function isSluiceError(error: unknown): error is SluiceError {
  return error instanceof Error && 'code' in error && isErrorCode(String(error.code));
}

export function exitCode(code: ErrorCode): number {
  return TABLE[code].exit;
}

export function httpStatus(code: ErrorCode): number {
  return TABLE[code].status;
}

/** The `code` of a system error (`ECONNREFUSED`, …), or an empty string. */
export function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : '';
}

/** The message of whatever was thrown, for a log field or a wrapped text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
