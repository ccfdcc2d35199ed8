// Sorts the answers of etcd's v2 API by the error code in them.

import { SluiceError } from '../../../base/errors.ts';
import { formatAddress } from '../../../base/units.ts';
import { type EtcdReply, isUnavailable, isUntouched, type Judge, readError } from '../transport.ts';

/** What a caller understands as an answer. */
const CODES = { keyNotFound: 100, compareFailed: 101, exists: 105, indexCleared: 401 } as const;
const ANSWERS: readonly number[] = Object.values(CODES);

export const judgeV2: Judge = (reply, address) => {
  if (reply.status === 200 || reply.status === 201) return reply;
  const error = readError(reply);
  const { v2Code, said } = error;
  if (v2Code !== undefined && ANSWERS.includes(v2Code)) return reply;
  const at = formatAddress(address);
  if (isUnavailable(error)) {
    return { address, reason: `${at}: answered ${said}`, sent: !isUntouched(error) };
  }
  const advice =
    reply.status === 401 || reply.status === 403
      ? 'check user, password and the rights'
      : v2Code === undefined
        ? 'start etcd with --enable-v2, or take its v3 API'
        : 'choose another key';
  throw new SluiceError('registry_refused', `registry ${at}: ${said}; ${advice}`);
};

export function isAbsent(reply: EtcdReply): boolean {
  return reply.status === 404;
}

/** The condition of a write did not hold. */
export function isMismatch(reply: EtcdReply): boolean {
  return reply.status === 404 || reply.status === 412;
}
