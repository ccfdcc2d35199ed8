// What a listener with TLS asks of its transport: which certificate for which name, who must show one, and who hears of
// handshakes that fail. Made anew when certificates or settings change; connections that stand keep theirs.

import type { SecureContext } from 'node:tls';

export interface TlsGate {
  /** For clients that name nothing. */
  readonly context: SecureContext;
  /** False: all get that one, whatever they ask for. */
  readonly asksNames: boolean;
  /** Undefined: a client that asks for such a name is turned away. `name`: in lower case, not ''. */
  contextFor(name: string): SecureContext | undefined;
  /** Clients are asked for a certificate; whether theirs is good is seen when the connection stands. */
  readonly asksClients: boolean;
  readonly requiresClients: boolean;
  /** A client was lost before it was secured. */
  failed(code: string): void;
}

/** In the order of our preference; another one is answered with no_application_protocol. */
export const PROTOCOLS = ['http/1.1', 'http/1.0'];
/** The same as ClientHello has it. */
export const PROTOCOL_BYTES = Buffer.concat(
  PROTOCOLS.map((name) => Buffer.from(`${String.fromCharCode(name.length)}${name}`, 'latin1')),
);

/** For what a client asked for, as OpenSSL tells it; undefined: it is turned away. */
export function contextAsked(gate: TlsGate, info: unknown): SecureContext | undefined {
  const asked: unknown =
    typeof info === 'object' && info !== null ? Reflect.get(info, 'servername') : '';
  const name = typeof asked === 'string' ? asked.toLowerCase() : '';
  return name === '' ? gate.context : gate.contextFor(name);
}

/** First byte of a TLS handshake; of an older one that nobody may speak, to be refused by OpenSSL. */
export function isHandshake(firstByte: number): boolean {
  return firstByte === 0x16 || firstByte >= 0x80;
}

export const PLAIN_CODE = 'plain HTTP';
export const UNKNOWN_NAME_CODE = 'unrecognized_name';

const PLAIN_BODY = 'sluice: this port speaks HTTPS, and the request came as plain HTTP\n';
/** As nginx has it: the browser shows what is wrong instead of a broken connection. */
export const PLAIN_ANSWER = `HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: ${PLAIN_BODY.length}\r\nConnection: close\r\n\r\n${PLAIN_BODY}`;

/** A fatal alert, unrecognized_name, as a record. Source: RFC 8446 6. */
export const UNKNOWN_NAME_ALERT = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70]);
