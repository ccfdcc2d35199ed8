// The fields in which the gateway tells a server about the client, and who the client is. A peer
// that is no trusted proxy has no say in them. Of a trusted one only that is believed which no
// client can have put there: lists are read from the right, where proxies append, and what is no
// address, scheme or host is never passed on as one.
//
//   trusted 10.0.0.0/8, peer 10.0.0.1            client     X-Forwarded-For to the server
//   1.2.3.4, 5.6.7.8                             5.6.7.8    1.2.3.4, 5.6.7.8, 10.0.0.1
//   1.2.3.4, 5.6.7.8:99, 10.0.0.7                5.6.7.8    1.2.3.4, 5.6.7.8:99, 10.0.0.7, 10.0.0.1
//   1.2.3.4, "x", 10.0.0.7                       10.0.0.7   10.0.0.7, 10.0.0.1
//   unknown                                      10.0.0.1   10.0.0.1
//
// **Source:** ngx_http_realip_module with `real_ip_recursive on`.

import { AddressSet, ipOf, peerAddress } from './forwarding/addresses.ts';
import { hostOf } from './host.ts';
import type { RequestHead } from './message.ts';
import type { Connection } from './transport.ts';

export { saidOfClient, withoutCertificates } from './forwarding/client-certificate.ts';
export { AddressSet, ipOf };

/** Elements of X-Forwarded-For that are looked at, from the right; no chain of proxies is so long. */
const ELEMENTS_MAX = 64;

/** What is taken from a trusted peer's X-Forwarded-For. */
type Chain = {
  /** The elements that are passed on, joined by ', '. */
  readonly kept: string;
  /** The rightmost address that is no trusted proxy; of trusted ones alone the leftmost. */
  readonly client: string;
  /** False: text that is no address hides who stands behind the last trusted proxy. */
  readonly isKnown: boolean;
};

/** What a connection tells about its other end. */
export type Peer = Pick<Connection, 'remoteAddress' | 'scheme'>;

/** Peers of one scheme whose Forwarding is kept; with one more it begins anew. */
const PEERS_MAX = 256;

/**
 * What is said of the clients of one gateway. Connections of one peer share it: browsers open several. Those of
 * a trusted one do not, as each has clients of its own.
 */
export class Forwardings {
  readonly #trusted: AddressSet;
  readonly #isViaOn: boolean;
  readonly #known = { http: new Map<string, Forwarding>(), https: new Map<string, Forwarding>() };

  constructor(trusted: AddressSet, isViaOn: boolean) {
    this.#trusted = trusted;
    this.#isViaOn = isViaOn;
  }

  /** `lines`: what is said of this client alone, each with CRLF. */
  of(connection: Peer, lines = ''): Forwarding {
    const { remoteAddress, scheme } = connection;
    if (lines !== '') return new Forwarding(connection, this.#trusted, this.#isViaOn, lines);
    const known = this.#known[scheme];
    const found = known.get(remoteAddress);
    if (found !== undefined) return found;
    const made = new Forwarding(connection, this.#trusted, this.#isViaOn);
    if (made.isTrusted) return made;
    if (known.size === PEERS_MAX) known.clear();
    known.set(remoteAddress, made);
    return made;
  }
}

/** What the requests of one client connection say about the client. */
export class Forwarding {
  /** The other end of the connection. */
  readonly peer: string;
  readonly isTrusted: boolean;
  readonly #trusted: AddressSet;
  readonly scheme: Connection['scheme'];
  /** The lines for a peer that is not trusted, in front of the value of Host; '' for a trusted one. */
  readonly before: string;
  /** What stands behind it in any case. */
  readonly after: string;
  /** Of the last X-Forwarded-For: a request is asked about more than once. */
  #chain: Chain | undefined;
  #forwardedFor = '';

  constructor(connection: Peer, trusted: AddressSet, isViaOn: boolean, lines = '') {
    const peer = peerAddress(connection.remoteAddress);
    this.scheme = connection.scheme;
    this.peer = peer;
    this.#trusted = trusted;
    this.isTrusted = trusted.has(peer);
    this.after = isViaOn ? `Via: 1.1 sluice\r\n${lines}` : lines;
    this.before = this.isTrusted ? '' : linesBefore(peer, connection.scheme);
  }

  /** The lines for a request, each with CRLF. */
  text(head: RequestHead): string {
    if (!this.isTrusted) return `${this.before}${head.authority}\r\n${this.after}`;
    const { kept, client } = this.#chainOf(head);
    const before = kept === '' ? '' : `${kept}, `;
    return (
      `X-Forwarded-For: ${before}${this.peer}\r\nX-Real-IP: ${client}\r\n` +
      `X-Forwarded-Proto: ${schemeOf(lastElement(head.forwardedProto), this.scheme)}\r\n` +
      `X-Forwarded-Host: ${forwardedHost(head)}\r\n${this.after}`
    );
  }

  /** Who sent the request, as far as it is known; it cannot be forged. */
  client(head: RequestHead): string {
    return this.isTrusted ? this.#chainOf(head).client : this.peer;
  }

  /** The client is one of these, and nobody hides behind it. */
  isAmong(allowed: AddressSet, head: RequestHead): boolean {
    if (!this.isTrusted) return allowed.has(this.peer);
    const { client, isKnown } = this.#chainOf(head);
    return isKnown && allowed.has(client);
  }

  #chainOf({ forwardedFor }: RequestHead): Chain {
    let chain = this.#chain;
    if (chain === undefined || forwardedFor !== this.#forwardedFor) {
      chain = chainOf(forwardedFor, this.peer, this.#trusted);
      this.#chain = chain;
      this.#forwardedFor = forwardedFor;
    }
    return chain;
  }
}

/** Joined, because a text that is put together with + stays in its pieces as long as nobody reads it. */
function linesBefore(peer: string, scheme: Connection['scheme']): string {
  const ours = [
    'X-Forwarded-For: ',
    peer,
    '\r\nX-Real-IP: ',
    peer,
    '\r\nX-Forwarded-Proto: ',
    scheme,
  ];
  return [...ours, '\r\nX-Forwarded-Host: '].join('');
}

function chainOf(forwardedFor: string, peer: string, trusted: AddressSet): Chain {
  let kept = '';
  let client = peer;
  let isWalking = true;
  let end = forwardedFor.length;
  for (let count = 0; end > 0; count += 1) {
    if (count === ELEMENTS_MAX) return { kept, client, isKnown: !isWalking };
    const comma = forwardedFor.lastIndexOf(',', end - 1);
    const element = trimmed(forwardedFor, comma + 1, end);
    end = comma;
    if (element === '') continue;
    const address = ipOf(element);
    // What stands left of it may be forged.
    if (address === '') return { kept, client, isKnown: !isWalking };
    kept = kept === '' ? element : `${element}, ${kept}`;
    if (!isWalking) continue;
    client = address;
    isWalking = trusted.has(address);
  }
  return { kept, client, isKnown: true };
}

/** What the peer itself said, when proxies before it have said something too. */
function lastElement(list: string): string {
  let end = list.length;
  while (end > 0 && ', \t'.includes(list.charAt(end - 1))) end -= 1;
  return end === 0 ? '' : trimmed(list, list.lastIndexOf(',', end - 1) + 1, end);
}

/** Without blanks and tabs around it. Not trim(): a no-break space is no part of an address. */
function trimmed(list: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(list.charCodeAt(start))) start += 1;
  while (end > start && isBlank(list.charCodeAt(end - 1))) end -= 1;
  return list.slice(start, end);
}

/** Some proxies name the scheme of a WebSocket. Any other text counts as `own`. */
function schemeOf(text: string, own: Connection['scheme']): Connection['scheme'] {
  switch (text.toLowerCase()) {
    case 'https':
    case 'wss':
      return 'https';
    case 'http':
    case 'ws':
      return 'http';
    default:
      return own;
  }
}

function forwardedHost(head: RequestHead): string {
  const host = lastElement(head.forwardedHost);
  return host !== '' && hostOf(host) !== undefined ? host : head.authority;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
