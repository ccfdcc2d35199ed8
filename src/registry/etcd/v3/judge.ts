// Sorts the answers of etcd's v3 API by the gRPC code in them.

import { SluiceError } from '../../../base/errors.ts';
import { formatAddress } from '../../../base/units.ts';
import { GRPC, isUnavailable, isUntouched, type Judge, readError } from '../transport.ts';

/** `answers`: codes that the caller understands as an answer. */
export function judgeV3(...answers: readonly number[]): Judge {
  return (reply, address) => {
    const at = formatAddress(address);
    if (reply.status === 200) {
      // Of a stream nothing is left to look at; every other answer begins with its header.
      if (reply.body.length === 0 || reply.body.subarray(0, 64).includes('"header"')) return reply;
      throw new SluiceError('registry_refused', `registry ${at}: its answer is not one of etcd`);
    }
    const error = readError(reply);
    const { code, text, said } = error;
    if (code !== undefined && answers.includes(code)) return reply;
    if (
      code === GRPC.unauthenticated ||
      /auth token|user name is empty|auth store is old/.test(text)
    ) {
      return 'login';
    }
    if (/database space exceeded/.test(text)) {
      throw new SluiceError('storage_full', `registry ${at}: ${text}; compact and defragment it`);
    }
    if (/request is too large|too many operations/.test(text)) {
      throw new SluiceError('too_large', `registry ${at}: ${text}`);
    }
    if (isUnavailable(error)) {
      return { address, reason: `${at}: answered ${said}`, sent: !isUntouched(error) };
    }
    const advice =
      code === GRPC.permissionDenied
        ? "check the rights of the user's role"
        : code === GRPC.invalidArgument || code === GRPC.failedPrecondition
          ? 'check the configuration'
          : 'is it etcd 3.4 or later?';
    throw new SluiceError('registry_refused', `registry ${at}: ${said}; ${advice}`);
  };
}
