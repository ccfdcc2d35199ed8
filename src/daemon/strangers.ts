// Upstreams that the registry names and the config does not have: each is said once, up to a number.

import type { Log } from '../base/log.ts';
import type { UpstreamConfig } from '../config.ts';
import type { Membership } from '../registry.ts';

const STRANGERS_MAX = 20;

export class Strangers {
  readonly #log: Log;
  readonly #said = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  look(registry: string, { services }: Membership, upstreams: readonly UpstreamConfig[]): void {
    const known = new Set(upstreams.map(({ name }) => name));
    for (const name of services.keys()) {
      if (known.has(name) || this.#said.has(name)) continue;
      if (this.#said.size >= STRANGERS_MAX) return;
      this.#said.add(name);
      this.#log.warn(
        { upstream: name, registry },
        'registry names an upstream that the config does not have',
      );
    }
  }
}
