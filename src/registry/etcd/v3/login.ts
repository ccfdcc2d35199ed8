// A user's token. It is asked for when it is first needed, and again when etcd refuses it: tokens run
// out after five minutes without use, and end with the member that gave them out.

import { SluiceError } from '../../../base/errors.ts';
import { type Address, formatAddress } from '../../../base/units.ts';
import {
  type Endpoints,
  GRPC,
  isUnavailable,
  type Login,
  type RequestFailure,
  readError,
} from '../transport.ts';
import { parseFields } from './answer.ts';

const TIMEOUT_MS = 3_000;

export class TokenLogin implements Login {
  readonly #endpoints: Endpoints;
  readonly #user: string;
  readonly #password: string;
  #token: string | undefined;
  #asking: Promise<string | RequestFailure> | undefined;

  /** Without a user nothing is sent. */
  constructor(endpoints: Endpoints, user: string, password: string) {
    this.#endpoints = endpoints;
    this.#user = user;
    this.#password = password;
    if (user === '') this.#token = '';
  }

  async authorization(address: Address): Promise<string | RequestFailure> {
    if (this.#token !== undefined) return this.#token;
    this.#asking ??= this.#ask(address).finally(() => {
      this.#asking = undefined;
    });
    const answer = await this.#asking;
    if (typeof answer === 'string') this.#token = answer;
    return answer;
  }

  refused(authorization: string): boolean {
    if (this.#user === '') return false;
    if (this.#token === authorization) this.#token = undefined;
    return true;
  }

  async #ask(address: Address): Promise<string | RequestFailure> {
    const reply = await this.#endpoints.send(
      {
        method: 'POST',
        path: '/v3/auth/authenticate',
        body: JSON.stringify({ name: this.#user, password: this.#password }),
      },
      { address, authorization: '', timeoutMs: TIMEOUT_MS, fresh: true },
    );
    if ('reason' in reply) return reply;
    const at = formatAddress(address);
    if (reply.status === 200) {
      const token = parseFields(reply.body.toString())['token'];
      if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) return token;
      return { address, reason: `${at}: gave no token`, sent: true };
    }
    const error = readError(reply);
    // Users are switched off there: nothing is needed.
    if (error.code === GRPC.failedPrecondition) return '';
    if (isUnavailable(error))
      return { address, reason: `${at}: answered ${error.said}`, sent: false };
    throw new SluiceError(
      'registry_refused',
      `registry ${at}: ${error.text}; correct user and password`,
    );
  }
}
