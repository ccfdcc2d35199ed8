// What the audit log says of a request that changes something: who asked for what, from where, what was
// before, what is after, and how it ended.

import { isSluiceError, messageOf, type SluiceError } from '../../base/errors.ts';
import type { AuditLog } from '../audit.ts';
import type { FactsDocument, RouteName } from '../contract.ts';

export type RecorderOptions = {
  readonly audit: AuditLog;
  /** What is known of a server at this moment; undefined: it is not there. */
  readonly facts: (upstream: string, server: string) => FactsDocument | undefined;
};

export type Asked = {
  readonly action: RouteName;
  /** Of the token. */
  readonly token: string;
  /** The client's address. */
  readonly from: string;
  /** Names in the path. */
  readonly names: Readonly<Record<string, string>>;
};

const NOT_THERE: FactsDocument = { state: '', owner: '', reason: '', weight: 0 };

/** Anybody can be refused: so many lines a minute of it, and how many more there were. */
const REFUSALS_PER_MINUTE = 10;
const MINUTE_MS = 60_000;

export class Recorder {
  readonly #options: RecorderOptions;
  /** Since when refusals are counted, ms of the monotonic clock; how many; how many without a line. */
  #refusals = { sinceMs: Number.NEGATIVE_INFINITY, count: 0, unsaid: 0 };

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Somebody without a token of ours, or from a foreign page: not let in, whatever was asked for. */
  refused({ action, token, from, names }: Asked, { code, message }: SluiceError): void {
    const nowMs = performance.now();
    const refusals = this.#refusals;
    if (nowMs - refusals.sinceMs >= MINUTE_MS) {
      refusals.sinceMs = nowMs;
      refusals.count = 0;
    }
    refusals.count += 1;
    if (refusals.count > REFUSALS_PER_MINUTE) {
      refusals.unsaid += 1;
      return;
    }
    const { upstream = '', server = '' } = names;
    const more = refusals.unsaid === 0 ? '' : ` (${refusals.unsaid} more before, without a line)`;
    refusals.unsaid = 0;
    this.#options.audit.record({
      ...{ time: new Date().toISOString(), token, owner: '', from, action, upstream, server },
      ...{ asked: {}, before: NOT_THERE, after: NOT_THERE, result: code },
      message: `${message}${more}`,
    });
  }

  /** What went well, and whose body is nobody's business. */
  done({ action, token, from, names }: Asked): void {
    const { upstream = '', server = '' } = names;
    this.#options.audit.record({
      ...{ time: new Date().toISOString(), token, owner: '', from, action, upstream, server },
      ...{ asked: {}, before: NOT_THERE, after: NOT_THERE, result: 'ok', message: '' },
    });
  }

  /** `act` is told what the body says by `heard`, as soon as that is known. Throws what `act` throws. */
  async record<Answer>(
    asked: Asked,
    act: (heard: (body: unknown) => void) => Promise<Answer>,
  ): Promise<Answer> {
    const { audit, facts } = this.#options;
    const { action, token, from, names } = asked;
    let { upstream = '', server = '' } = names;
    const look = (): FactsDocument =>
      server === '' ? NOT_THERE : (facts(upstream, server) ?? NOT_THERE);
    let before = look();
    // What a release is asked for is in the path, and in no column.
    const { service } = names;
    const named = service === undefined ? {} : { service };
    let body: Readonly<Record<string, unknown>> = named;
    let [result, message] = ['ok', ''];
    try {
      return await act((heard) => {
        if (typeof heard !== 'object' || heard === null) return;
        body = { ...named, ...heard };
        // The server of a record that is changed is in no path.
        const { upstream: itsUpstream, server: its } = body;
        if (server !== '' || typeof itsUpstream !== 'string' || typeof its !== 'string') return;
        [upstream, server] = [itsUpstream, its];
        before = look();
      });
    } catch (error) {
      result = isSluiceError(error) ? error.code : 'internal';
      message = isSluiceError(error) ? messageOf(error) : 'internal error; see the log';
      throw error;
    } finally {
      const owner = typeof body['owner'] === 'string' ? body['owner'] : '';
      audit.record({
        ...{ time: new Date().toISOString(), token, owner, from, action, upstream, server },
        ...{ asked: body, before, after: look(), result, message },
      });
    }
  }
}
