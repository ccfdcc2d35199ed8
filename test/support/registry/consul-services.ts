// Services of a Consul as a test registers them: with its agent, the attributes of a server in their
// metadata, and checks whose state the test decides.

import assert from 'node:assert/strict';
import { type Address, formatAddress, parseAddress } from '../../../src/base/units.ts';
import type { Servers } from './source-contract.ts';

export type Registration = {
  readonly name: string;
  /** `host:port`, or `:port` for the address of the node. */
  readonly server: string;
  readonly id?: string;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly weights?: { readonly Passing: number; readonly Warning: number };
  /** Of a check of its own; left out: it has none. */
  readonly check?: 'passing' | 'warning' | 'critical';
};

export class ConsulServices {
  readonly #url: string;
  #policies = 0;

  readonly #token: string;

  /** `token`: that may do everything, where ACLs are on. */
  constructor(agent: Address, token = '') {
    this.#token = token;
    this.#url = `http://${formatAddress(agent)}/v1`;
  }

  async register(registration: Registration): Promise<void> {
    const { name, server, id = `${name}-${server}`, tags = [], meta = {}, weights } = registration;
    const port = /^:(\d+)$/.exec(server)?.[1];
    const address = port === undefined ? parseAddress(server) : { host: '', port: Number(port) };
    await this.#put('agent/service/register', {
      ...{ ID: id, Name: name, Tags: tags, Meta: meta },
      ...{ Address: address?.host ?? server, Port: address?.port ?? 0 },
      ...(weights === undefined ? {} : { Weights: weights }),
      ...(registration.check === undefined
        ? {}
        : { Check: { CheckID: `check-${id}`, TTL: '1h', Status: registration.check } }),
    });
  }

  async setCheck(id: string, status: 'passing' | 'warning' | 'critical'): Promise<void> {
    await this.#put(`agent/check/update/${encodeURIComponent(`check-${id}`)}`, { Status: status });
  }

  async deregister(id: string): Promise<void> {
    await this.#put(`agent/service/deregister/${encodeURIComponent(id)}`);
  }

  /** A token with these rules, where ACLs are on. */
  async createToken(rules: string): Promise<string> {
    this.#policies += 1;
    const Name = `policy-${this.#policies}`;
    await this.#put('acl/policy', { Name, Rules: rules });
    const token: unknown = JSON.parse(await this.#put('acl/token', { Policies: [{ Name }] }));
    return String(Object(token).SecretID);
  }

  /** Makes these the only services. */
  async write(servers: Servers): Promise<void> {
    const wanted = Object.entries(servers).flatMap(([name, list]) =>
      Object.entries(list).map(([server, attributes]) => ({
        ...{ name, server, id: `${name}-${server}` },
        meta: Object.fromEntries(
          Object.entries(attributes).map(([key, one]) => [key, String(one)]),
        ),
      })),
    );
    for (const registration of wanted) await this.register(registration);
    const ids = new Set(wanted.map(({ id }) => id));
    const known = await (await fetch(`${this.#url}/agent/services`)).json();
    for (const id of Object.keys(Object(known))) if (!ids.has(id)) await this.deregister(id);
  }

  async #put(path: string, body: unknown = {}): Promise<string> {
    const answer = await fetch(`${this.#url}/${path}`, {
      method: 'PUT',
      headers: { 'x-consul-token': this.#token },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    assert.equal(answer.status, 200, `${path}: ${text}`);
    return text;
  }
}
