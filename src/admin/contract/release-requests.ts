// The bodies by which a runner writes down a release, and people steer it.

import { SluiceError } from '../../base/errors.ts';
import {
  type CommandKind,
  JOURNAL_RECORD,
  type ReleaseKind,
  type ReleaseRecord,
} from './release-documents.ts';
import { type Body, isInteger, parseObject, parseOwnerText, usage } from './requests.ts';

export type TakeRequest = {
  readonly kind: ReleaseKind;
  readonly version: string;
  readonly upstream: string;
  readonly user: string;
  /** For people: `pid 4711 on ci-1`. */
  readonly runner: string;
  /** Chosen by the runner for this one release: with the same it gets the same lock again. */
  readonly ticket: string;
  readonly why: string;
  /** The release that a rollback undoes; ''. */
  readonly of: string;
  /** An unfinished release to go on with; '' begins a new one. */
  readonly resume: string;
  /** The least number of a new release: the runner has journals of its own. */
  readonly atLeast: number;
  /** The fence of a holder of which the runner knows that it is dead; 0 = of none. */
  readonly deadFence: number;
};

export type RenewRequest = {
  readonly fence: number;
  /** The last command that the runner has heard. */
  readonly heard: number;
  /** The answer may take this long while there is no newer one. */
  readonly waitMs: number;
};

export type AppendRequest = {
  readonly fence: number;
  readonly records: readonly ReleaseRecord[];
};

export type CloseRequest = {
  readonly fence: number;
  readonly outcome: string;
  readonly exit: number;
  readonly reason: string;
  readonly complete: boolean;
};

export type CommandRequest = {
  readonly command: CommandKind;
  readonly owner: string;
  readonly why: string;
  /** That release alone; '' = whichever runs. */
  readonly release?: string;
};

export type PutInstanceRequest = {
  readonly fence: number;
  readonly record: Readonly<Record<string, unknown>>;
};

const TEXT_LENGTH_MAX = 2000;
const WAIT_MS_MAX = 30_000;
/** Records of one request; a registry takes so many writes at once, with the lock. */
export const RECORDS_MAX = 32;
/** Of all its records together: a registry takes 512 KiB at once, written in base64. */
export const RECORDS_BYTES_MAX = 256 * 1024;
/** Of a body with them. */
const BODY_BYTES_MAX = 2 * RECORDS_BYTES_MAX;

// By name, so that the compiler asks for a new one here, too.
const KINDS: Readonly<Record<ReleaseKind, true>> = { deploy: true, rollback: true, stop: true };
const COMMANDS: Readonly<Record<CommandKind, true>> = {
  pause: true,
  resume: true,
  approve: true,
  abort: true,
  abort_now: true,
};

export const TAKE_BODY: Body<TakeRequest> = {
  names: [
    ...['kind', 'version', 'upstream', 'user', 'runner', 'why', 'of', 'resume'],
    ...['atLeast', 'deadFence', 'ticket'],
  ],
  parse: (body) => {
    const keys = parseObject(body, TAKE_BODY.names);
    const { kind } = keys;
    if (!isOneOf(kind, KINDS)) throw usage('kind', 'must be deploy, rollback or stop');
    return {
      kind,
      version: textOf(keys, 'version'),
      upstream: textOf(keys, 'upstream'),
      user: textOf(keys, 'user'),
      runner: textOf(keys, 'runner'),
      ticket: textOf(keys, 'ticket', ''),
      why: textOf(keys, 'why', ''),
      of: textOf(keys, 'of', ''),
      resume: textOf(keys, 'resume', ''),
      atLeast: numberOf(keys, 'atLeast', 1),
      deadFence: numberOf(keys, 'deadFence', 0),
    };
  },
};

export const RENEW_BODY: Body<RenewRequest> = {
  names: ['fence', 'heard', 'waitMs'],
  parse: (body) => {
    const keys = parseObject(body, RENEW_BODY.names);
    const waitMs = Math.min(numberOf(keys, 'waitMs', 0), WAIT_MS_MAX);
    return { fence: numberOf(keys, 'fence'), heard: numberOf(keys, 'heard', 0), waitMs };
  },
};

export const APPEND_BODY: Body<AppendRequest> = {
  names: ['fence', 'records'],
  bytesMax: BODY_BYTES_MAX,
  parse: (body) => {
    const keys = parseObject(body, APPEND_BODY.names);
    const { records } = keys;
    if (!Array.isArray(records) || records.length > RECORDS_MAX || records.length === 0) {
      throw usage('records', `must be a list of 1 to ${RECORDS_MAX} records`);
    }
    if (JSON.stringify(records).length > RECORDS_BYTES_MAX) {
      throw new SluiceError('too_large', `records: over ${RECORDS_BYTES_MAX} bytes together`);
    }
    return { fence: numberOf(keys, 'fence'), records: records.map(parseRecord) };
  },
};

export const CLOSE_BODY: Body<CloseRequest> = {
  names: ['fence', 'outcome', 'exit', 'reason', 'complete'],
  parse: (body) => {
    const keys = parseObject(body, CLOSE_BODY.names);
    return {
      fence: numberOf(keys, 'fence'),
      outcome: textOf(keys, 'outcome'),
      exit: numberOf(keys, 'exit'),
      reason: textOf(keys, 'reason', ''),
      complete: keys['complete'] === true,
    };
  },
};

export const COMMAND_BODY: Body<CommandRequest> = {
  names: ['command', 'owner', 'why', 'release'],
  parse: (body) => {
    const keys = parseObject(body, COMMAND_BODY.names);
    const { command, owner } = keys;
    if (!isOneOf(command, COMMANDS)) {
      throw usage('command', `must be one of ${Object.keys(COMMANDS).join(', ')}`);
    }
    return {
      command,
      owner: parseOwnerText(owner),
      why: textOf(keys, 'why', ''),
      release: textOf(keys, 'release', ''),
    };
  },
};

export const PUT_INSTANCE_BODY: Body<PutInstanceRequest> = {
  names: ['fence', 'record'],
  bytesMax: BODY_BYTES_MAX,
  parse: (body) => {
    const keys = parseObject(body, PUT_INSTANCE_BODY.names);
    const { record } = keys;
    if (typeof record !== 'object' || record === null || Array.isArray(record)) {
      throw usage('record', 'must be an object');
    }
    return { fence: numberOf(keys, 'fence'), record: { ...record } };
  },
};

function parseRecord(value: unknown): ReleaseRecord {
  if (JOURNAL_RECORD.fits(value) && isInteger(value.seq, 0)) {
    const { seq, ts, kind, instance, step, fence, data } = value;
    return { seq, ts, kind, instance, step, fence, data };
  }
  throw usage('records', 'has one that is no record: seq, ts, kind, instance, step, fence, data');
}

function textOf(keys: Record<string, unknown>, name: string, initial?: string): string {
  const value = keys[name] ?? initial;
  if (typeof value === 'string' && value.length <= TEXT_LENGTH_MAX) return value;
  throw usage(name, `must be a text of at most ${TEXT_LENGTH_MAX} characters`);
}

function numberOf(keys: Record<string, unknown>, name: string, initial?: number): number {
  const value = keys[name] ?? initial;
  if (isInteger(value, 0)) return value;
  throw usage(name, 'must be a whole number, 0 or more');
}

function isOneOf<Word extends string>(
  value: unknown,
  words: Readonly<Record<Word, true>>,
): value is Word {
  return typeof value === 'string' && Object.hasOwn(words, value);
}
