// Services and checks that stand in a configuration instead of being registered by a request. Read
// again, those that are no longer there are removed.

import { CatalogRefusal } from '../catalog.ts';
import { type Decoder, decodeBody } from '../go.ts';
import type { Agent } from './agent.ts';
import {
  BodyRefusal,
  checkBody,
  type Kinds,
  readCheck,
  readService,
  serviceBody,
} from './agent-bodies.ts';
import { addCheck, addService, removeCheck, removeService } from './agent-writes.ts';

/** Bodies as a request would bring them. */
export type Definitions = {
  readonly services: readonly unknown[];
  readonly checks: readonly unknown[];
};

export class DefinedServices {
  readonly #agent: Agent;
  readonly #kinds: Kinds;
  readonly #read: () => Definitions;
  #services = new Set<string>();
  #checks = new Set<string>();

  constructor(agent: Agent, kinds: Kinds, read: () => Definitions) {
    this.#agent = agent;
    this.#kinds = kinds;
    this.#read = read;
  }

  /** What is wrong with one of them is logged, and the others count. */
  async apply(): Promise<void> {
    const { services, checks } = this.#read();
    const [lastServices, lastChecks] = [this.#services, this.#checks];
    const [ownServices, ownChecks] = [new Set<string>(), new Set<string>()];
    for (const body of services) {
      await this.#try(body, serviceBody, async (decoded) => {
        const { service, checks: starts } = readService(decoded, this.#kinds, this.#agent.table);
        ownServices.add(service.ID);
        await this.#agent.write((write) => addService(write, service, starts, true));
      });
    }
    for (const body of checks) {
      await this.#try(body, checkBody, async (decoded) => {
        const start = readCheck(decoded, this.#kinds);
        ownChecks.add(start.check.id);
        await this.#agent.write((write) => addCheck(write, start));
      });
    }
    [this.#services, this.#checks] = [ownServices, ownChecks];
    await this.#agent.write((write) => {
      for (const id of lastServices) if (!ownServices.has(id)) removeService(write, id);
      for (const id of lastChecks) if (!ownChecks.has(id)) removeCheck(write, id);
    });
  }

  async #try<Body>(
    body: unknown,
    decoder: Decoder<Body>,
    work: (decoded: Body) => Promise<void>,
  ): Promise<void> {
    const { log } = this.#agent.context;
    const decoded = decodeBody(JSON.stringify(body), decoder);
    if ('refused' in decoded) {
      log.error({ reason: decoded.refused }, 'service or check of the configuration refused');
      return;
    }
    try {
      await work(decoded.value);
    } catch (error) {
      if (!(error instanceof BodyRefusal || error instanceof CatalogRefusal)) throw error;
      log.error({ reason: error.message }, 'service or check of the configuration refused');
    }
  }
}
