// Panic: when too few of the servers that the operator has in pass their checks, the checks are not believed, and
// those that fail take requests, too. It goes by the share of a tier, so that primaries which fail are not asked
// while the backups are well. A server that is out by intent, has no address or waits for its first verdict does
// not count, and is never brought in by it. Counting costs what the servers cost that changed.
//
// | panic_threshold 50% | 4 primaries, 2 pass: 50 %, none | 1 passes: 25 %, panic | and 1 of 1 backup passes: none |
//
// Source: Envoy's panic threshold (upstream load balancing documentation), there 50 % by default; here it is off.

import type { Log } from '../../base/log.ts';
import type { UpstreamConfig } from '../../config.ts';
import { standingOf } from '../../model.ts';
import type { Member } from './members.ts';

/** Shares are no whole numbers: 7 of 100 is not less than 7%. */
const ROUNDING = 1e-6;

type Members = ReadonlyMap<string, Member>;
type Tier = { judged: number; passing: number };

export class PanicWatch {
  readonly #log: Log;
  readonly #primaries: Tier = { judged: 0, passing: 0 };
  readonly #backups: Tier = { judged: 0, passing: 0 };
  #isOn = false;
  #sinceMs = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** These are all members. True: panic begins or ends, so that all must be computed anew. */
  counts(config: UpstreamConfig, members: Members): boolean {
    for (const tier of [this.#primaries, this.#backups]) tier.judged = tier.passing = 0;
    this.#add(members, 1);
    return this.#turns(config);
  }

  /** Of the members these were, and are now. True: as above. */
  moves(config: UpstreamConfig, last: Members, next: Members): boolean {
    this.#add(last, -1);
    this.#add(next, 1);
    return this.#turns(config);
  }

  #add(members: Members, times: 1 | -1): void {
    for (const { state } of members.values()) {
      const standing = standingOf(state);
      const passes = standing === 'ok';
      if (!passes && standing !== 'down' && standing !== 'panic') continue;
      const tier = state.backup ? this.#backups : this.#primaries;
      tier.judged += times;
      if (passes) tier.passing += times;
    }
  }

  #turns({ name, panicThreshold }: UpstreamConfig): boolean {
    const tiers = [this.#primaries, this.#backups].filter(({ judged }) => judged > 0);
    const isOn =
      tiers.length > 0 &&
      tiers.every(({ judged, passing }) => passing < judged * panicThreshold - ROUNDING);
    if (isOn === this.#isOn) return false;
    this.#isOn = isOn;
    const sum = (key: keyof Tier): number => this.#primaries[key] + this.#backups[key];
    const fields = { upstream: name, passing: sum('passing'), servers: sum('judged') };
    if (isOn) {
      this.#sinceMs = performance.now();
      this.#log.warn(
        fields,
        'panic: too few servers pass their checks, those that fail take requests',
      );
    } else {
      const lastedMs = Math.round(performance.now() - this.#sinceMs);
      this.#log.info({ ...fields, lastedMs }, 'panic is over: enough servers pass their checks');
    }
    return true;
  }
}
