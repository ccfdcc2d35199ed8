// Where a control API is, from the text after --control: an address, https://, or ssh:// to the machine
// on whose loopback it listens.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { PeerCertificate } from 'node:tls';
import { messageOf, SluiceError } from '../base/errors.ts';
import { type Address, parseAddress } from '../base/units.ts';
import { SshTunnel } from './ssh-tunnel.ts';

/** Where the control API is, and what lets us in. */
export type Endpoint = {
  readonly base: URL;
  /** As people know it: `10.0.0.5:8700`, `ssh://deploy@web-1`. */
  readonly name: string;
  /** Bearer token; '' = none. */
  readonly token: string;
  readonly timeoutMs: number;
  /** For https. */
  readonly tls: ClientTls;
  /** It is behind this. */
  readonly tunnel?: SshTunnel;
};

export type ClientTls = {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The one certificate that is trusted, whatever its name says: that of the configuration file. */
  readonly pinned?: string;
};

const CONTROL: Address = { host: '127.0.0.1', port: 8700 };
/** What ssh would take for an option, or a shell for more than a name, is none. */
const SSH_NAME = /^[A-Za-z0-9_][\w.-]*$/;

/** @throws usage */
export function parseEndpoints(
  text: string,
  rest: { readonly token: string; readonly timeoutMs: number; readonly tls: ClientTls },
): readonly [Endpoint, ...Endpoint[]] {
  const [first = '', ...more] = text.split(',').map((part) => part.trim());
  return [endpointOf(first), ...more.map(endpointOf)];

  function endpointOf(part: string): Endpoint {
    if (/^ssh:/i.test(part)) {
      const { tunnel, target } = sshTarget(part);
      return { base: target, name: part, tunnel, ...rest };
    }
    const base = parseControlUrl(part);
    return { base, name: base.host, ...rest };
  }
}

/** @throws usage */
export function parseControlUrl(text: string): URL {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  if (
    url === null ||
    (url.protocol !== 'http:' && url.protocol !== 'https:') ||
    url.pathname !== '/' ||
    url.search !== '' ||
    url.username !== ''
  ) {
    throw new SluiceError(
      'usage',
      `control address "${text}" is not a plain http, https or ssh URL; write one like http://127.0.0.1:8700 or ssh://user@host`,
    );
  }
  return url;
}

function sshTarget(text: string): { readonly tunnel: SshTunnel; readonly target: URL } {
  const url = URL.parse(text);
  const path = url?.pathname.replace(/^\//, '') ?? '';
  const address = path === '' ? CONTROL : parseAddress(path);
  const host = url?.hostname.replace(/^\[|\]$/g, '') ?? '';
  const isHost = SSH_NAME.test(host) || /^[0-9a-f:.]+$/i.test(host);
  const isUser = url?.username === '' || SSH_NAME.test(url?.username ?? '-');
  if (url === null || address === undefined || !isHost || !isUser || url.password !== '') {
    throw new SluiceError(
      'usage',
      `control address "${text}" is not ssh://user@host[:port]; write one like ssh://deploy@web-1, or ssh://deploy@web-1/127.0.0.1:8701 where the control API is not on 127.0.0.1:8700`,
    );
  }
  const { username: user, port } = url;
  const tunnel = new SshTunnel({ name: text, host, user, port, to: address });
  return { tunnel, target: new URL('http://localhost') };
}

/** `text` is what the environment or an option says; the file is read now. @throws usage */
export function readPem(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SluiceError('usage', `${name} ${path}: cannot be read (${messageOf(cause)})`, {
      cause,
    });
  }
}

/** Options of node:https. */
export function tlsOptions({ ca, cert, key, pinned }: ClientTls) {
  const own = {
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  if (pinned === undefined || ca !== undefined)
    return { ...own, ...(ca === undefined ? {} : { ca }) };
  const { raw } = new X509Certificate(pinned);
  return {
    ...{ ...own, ca: pinned, allowPartialTrustChain: true },
    checkServerIdentity: (_: string, shown: PeerCertificate): Error | undefined =>
      raw.equals(shown.raw)
        ? undefined
        : new Error('its certificate is not that of the configuration file'),
  };
}
