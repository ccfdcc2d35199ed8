// What a client finds that comes in by a listener: TLS with which certificates, or a way to https; and what every answer
// there says. Settings and certificates may change while the listener stays open: who comes then finds the new ones.

import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { ListenerConfig } from '../../config.ts';
import { type ListenerCredentials, NO_CREDENTIALS, type TlsCredentials } from '../../model.ts';
import { RareLine } from '../rare-line.ts';
import { TicketRing, TlsContexts, type TlsGate } from '../transport.ts';
import type { Wheel } from '../wheel.ts';

export type Entrance = {
  /** Of the listener. */
  readonly id: string;
  /** 0 = requests are served. */
  readonly redirectPort: number;
  /** Lines of every answer, each with CRLF. */
  readonly answerFields: string;
  /** Clients have a certificate, or may have one. */
  readonly asksClients: boolean;
  readonly passesClientCertificate: boolean;
};

type Gate = {
  readonly settings: ListenerConfig['tls'];
  readonly credentials: ListenerCredentials;
  readonly gate: TlsGate;
};

export class Entrances {
  readonly #log: Log;
  readonly #tickets = new TicketRing();
  readonly #failures: RareLine;
  #failedCode = '';
  #listen: readonly ListenerConfig[] = [];
  #credentials: TlsCredentials = NO_CREDENTIALS;
  readonly #entrances = new Map<string, Entrance>();
  readonly #gates = new Map<string, Gate>();
  #isPlain: ReadonlySet<string> = new Set();

  constructor({ log, wheel }: { readonly log: Log; readonly wheel: Wheel }) {
    this.#log = log;
    this.#failures = new RareLine(wheel, (clients) =>
      log.info({ clients, code: this.#failedCode }, 'TLS handshakes failed'),
    );
  }

  /** Clients since the start that were lost before they were secured. */
  get failures(): number {
    return this.#failures.total;
  }

  configure(listen: readonly ListenerConfig[]): void {
    this.#listen = listen;
    this.#isPlain = new Set(listen.filter(({ tls }) => tls === undefined).map(({ id }) => id));
    this.#entrances.clear();
    for (const listener of listen) this.#entrances.set(listener.id, entranceOf(listener));
    this.#openGates();
  }

  useCredentials(credentials: TlsCredentials): void {
    this.#credentials = credentials;
    this.#tickets.use(credentials.ticketKeys);
    this.#openGates();
  }

  of(listener: ListenerConfig): Entrance {
    return this.#entrances.get(listener.id) ?? entranceOf(listener);
  }

  /** Undefined: it is to be secured, and there is nothing to do it with. */
  gate(id: string): TlsGate | 'plain' | undefined {
    return this.#isPlain.has(id) ? 'plain' : this.#gates.get(id)?.gate;
  }

  close(): void {
    this.#failures.close();
  }

  #openGates(): void {
    for (const { id, tls: settings } of this.#listen) {
      const credentials = this.#credentials.listeners[id];
      if (settings === undefined || credentials === undefined) continue;
      const last = this.#gates.get(id);
      const isSame =
        isDeepStrictEqual(last?.settings, settings) &&
        isDeepStrictEqual(last?.credentials, credentials);
      if (isSame) continue;
      try {
        const onFailure = (code: string): void => {
          this.#failedCode = code;
          this.#failures.note();
        };
        const gate = new TlsContexts({ settings, credentials, tickets: this.#tickets, onFailure });
        this.#gates.set(id, { settings, credentials, gate });
      } catch (error) {
        // The primary has tried it before.
        this.#log.error({ listener: id, error: messageOf(error) }, 'certificates cannot be used');
      }
    }
  }
}

function entranceOf({ id, tls, redirectPort = 0 }: ListenerConfig): Entrance {
  const hsts = tls?.hsts ?? '';
  return {
    ...{ id, redirectPort },
    answerFields: hsts === '' ? '' : `Strict-Transport-Security: ${hsts}\r\n`,
    asksClients: tls !== undefined && tls.clientCa !== '',
    passesClientCertificate: tls?.passesClientCertificate ?? false,
  };
}
