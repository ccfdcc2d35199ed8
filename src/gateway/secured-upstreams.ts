// The upstreams whose servers are spoken to over TLS: settings of the configuration and credentials of the primary put
// together. Each server has a target of its own, with the session that its next connection goes on with; targets are
// made anew when anything of their upstream changes, so that no connection and no session outlives what it was
// checked by.

import { createSecureContext, type SecureContext } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { UpstreamTls } from '../config.ts';
import type { ServerCredentials } from '../model.ts';
import type { Server } from '../upstream.ts';
import type { TlsTarget } from './transport.ts';

type Secured = {
  readonly settings: UpstreamTls;
  readonly credentials: ServerCredentials;
  readonly context: SecureContext;
  /** By server, as long as somebody knows it. */
  readonly targets: WeakMap<Server, TlsTarget>;
};

export class SecuredUpstreams {
  #settings: Readonly<Record<string, UpstreamTls>> = {};
  #credentials: Readonly<Record<string, ServerCredentials>> = {};
  #upstreams: ReadonlyMap<string, Secured> = new Map();

  configure(settings: Readonly<Record<string, UpstreamTls>>): void {
    this.#settings = settings;
    this.#renew();
  }

  useCredentials(credentials: Readonly<Record<string, ServerCredentials>>): void {
    this.#credentials = credentials;
    this.#renew();
  }

  /** Plain: without TLS. Undefined: with TLS, and it cannot be, so that nobody may be connected to. */
  targetOf(server: Server): TlsTarget | 'plain' | undefined {
    if (this.#settings[server.upstream] === undefined) return 'plain';
    const secured = this.#upstreams.get(server.upstream);
    if (secured === undefined) return undefined;
    const known = secured.targets.get(server);
    if (known !== undefined) return known;
    const { context, settings } = secured;
    const name = settings.serverName || server.host;
    const target = { context, name, verifies: settings.verify, session: undefined };
    secured.targets.set(server, target);
    return target;
  }

  #renew(): void {
    const last = this.#upstreams;
    const next = new Map<string, Secured>();
    for (const [name, settings] of Object.entries(this.#settings)) {
      const credentials = this.#credentials[name];
      if (credentials === undefined) continue;
      const before = last.get(name);
      const isSame =
        isDeepStrictEqual(before?.settings, settings) &&
        isDeepStrictEqual(before?.credentials, credentials);
      if (before !== undefined && isSame) next.set(name, before);
      else next.set(name, securedBy(settings, credentials));
    }
    this.#upstreams = next;
  }
}

function securedBy(settings: UpstreamTls, credentials: ServerCredentials): Secured {
  const { ca, cert, key } = credentials;
  const context = createSecureContext({
    // Without authorities of its own those that Node trusts.
    ...(ca === '' ? {} : { ca }),
    ...(cert === '' ? {} : { cert, key }),
    minVersion: `TLSv${settings.minVersion}`,
  });
  return { settings, credentials, context, targets: new WeakMap() };
}
