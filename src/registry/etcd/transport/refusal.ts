// What an answer that is no success says, of both APIs: v3 names a gRPC code, v2 an error code of its own.

import type { EtcdReply } from './http-request.ts';

export type EtcdError = {
  readonly status: number;
  /** The gRPC code of v3; undefined when it is none. */
  readonly code: number | undefined;
  /** The `errorCode` of v2; undefined when it is none. */
  readonly v2Code: number | undefined;
  readonly text: string;
  /** For a message: the status and the text. */
  readonly said: string;
};

export const GRPC = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unavailable: 14,
  unauthenticated: 16,
} as const;

const TEXT_SHOWN_MAX = 200;

export function readError({ status, body }: EtcdReply): EtcdError {
  const plain = body.toString('utf8', 0, TEXT_SHOWN_MAX).trim();
  let code: number | undefined;
  let v2Code: number | undefined;
  let text = plain;
  try {
    const document: unknown = JSON.parse(body.toString());
    if (typeof document === 'object' && document !== null) {
      // The cast only names the fields; each is checked below.
      const fields = document as Readonly<Record<string, unknown>>;
      if (typeof fields['code'] === 'number') code = fields['code'];
      if (typeof fields['errorCode'] === 'number') v2Code = fields['errorCode'];
      const words = [fields['message'], fields['cause']].filter((one) => typeof one === 'string');
      if (words.length > 0) text = words.join(': ').slice(0, TEXT_SHOWN_MAX);
    }
  } catch {
    // Not JSON: the bytes as they are.
  }
  return { status, code, v2Code, text, said: text === '' ? `${status}` : `${status} "${text}"` };
}

/** Another address or a later time may do better. */
export function isUnavailable({ status, code, v2Code, text }: EtcdError): boolean {
  if (/timed out|leader changed|no leader|too many requests|not capable|stopped/.test(text))
    return true;
  if (code === GRPC.unavailable || code === GRPC.deadlineExceeded) return true;
  // 300 and 301: raft, and the time of an election.
  if (v2Code === 300 || v2Code === 301) return true;
  return status >= 500 && status !== 501;
}

/** Surely nothing was begun. */
export function isUntouched({ text }: EtcdError): boolean {
  return /no leader|too many requests|not capable/.test(text);
}
