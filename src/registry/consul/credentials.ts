// What a request needs to be let in: the token, and with TLS the certificates. What stands in files is
// looked at before each request and read again when a file has become another one, so that tokens and
// certificates rotate under a running gateway. A file that is half written or gone changes nothing.

import { readFileSync, statSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import { messageOf, SluiceError, systemCode } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { readSecret } from '../../base/secrets.ts';

export type TlsSettings = {
  /** Paths of files in PEM; '' = the CAs that Node trusts, no certificate of ours. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** The name that the server's certificate must have; '' = the host of its address. */
  readonly serverName: string;
  /** False: any certificate is taken. */
  readonly verify: boolean;
};

export type CredentialSettings = {
  readonly token: string | undefined;
  /** Its first line is the token, before `token`; '' = none. */
  readonly tokenFile: string | undefined;
  /** Undefined: plain HTTP. */
  readonly tls: TlsSettings | undefined;
};

/** What requests use from now on; another object after something was read again. */
export type Access = {
  readonly token: string;
  readonly agent: HttpAgent;
  readonly tls:
    | {
        readonly secureContext: SecureContext;
        readonly rejectUnauthorized: boolean;
        readonly servername?: string;
      }
    | undefined;
};

export class Credentials {
  readonly #settings: Partial<CredentialSettings>;
  readonly #log: Log;
  readonly #files: readonly string[];
  #seen: string;
  #access: Access;

  /** @throws config_invalid when a file cannot be used. */
  constructor(settings: Partial<CredentialSettings>, log: Log) {
    this.#settings = settings;
    this.#log = log;
    const { tokenFile = '', tls } = settings;
    this.#files = [tokenFile, tls?.ca, tls?.cert, tls?.key].filter(isPath);
    this.#seen = this.#look();
    this.#access = read(settings);
  }

  /** With what is in the files now. */
  access(): Access {
    const seen = this.#look();
    if (seen === this.#seen) return this.#access;
    this.#seen = seen;
    const files = this.#files;
    try {
      const last = this.#access.agent;
      this.#access = read(this.#settings);
      retire(last);
      this.#log.info({ files }, 'registry credentials were read again');
    } catch (error) {
      const reason = messageOf(error);
      this.#log.warn({ files, reason }, 'registry credentials are not good, keeping the last ones');
    }
    return this.#access;
  }

  close(): void {
    this.#access.agent.destroy();
  }

  /** Differs when one of the files does. */
  #look(): string {
    return this.#files.map(identityOf).join(' ');
  }
}

function isPath(path: string | undefined): path is string {
  return path !== undefined && path !== '';
}

function identityOf(path: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(path, { bigint: true });
    return `${ino}:${size}:${mtimeNs}`;
  } catch (error) {
    return systemCode(error);
  }
}

/** Reads the files as a client would, and keeps nothing. @throws config_invalid */
export function checkCredentials(settings: Partial<CredentialSettings>): void {
  read(settings).agent.destroy();
}

/** @throws config_invalid */
function read({ token = '', tokenFile = '', tls }: Partial<CredentialSettings>): Access {
  const options = { keepAlive: true, keepAliveMsecs: 15_000, maxFreeSockets: 8 };
  const secret = readSecret(tokenFile === '' ? undefined : `file:${tokenFile}`, {});
  if ('problem' in secret) throw new SluiceError('config_invalid', secret.problem);
  const use = tokenFile === '' ? token : secret.value;
  if (tls === undefined) return { token: use, agent: new HttpAgent(options), tls: undefined };
  return {
    token: use,
    agent: new HttpsAgent(options),
    tls: {
      secureContext: secureContextOf(tls),
      rejectUnauthorized: tls.verify,
      ...(tls.serverName === '' ? {} : { servername: tls.serverName }),
    },
  };
}

/** @throws config_invalid */
function secureContextOf({ ca, cert, key }: TlsSettings): SecureContext {
  const [trusted, own, secret] = [ca, cert, key].map((path) =>
    path === '' ? undefined : readPem(path),
  );
  try {
    return createSecureContext({
      ...(trusted === undefined ? {} : { ca: trusted }),
      ...(own === undefined ? {} : { cert: own }),
      ...(secret === undefined ? {} : { key: secret }),
    });
  } catch (error) {
    const files = [ca, cert, key].filter(isPath).join(', ');
    throw new SluiceError(
      'config_invalid',
      `${files}: ${messageOf(error)}; write PEM files of one certificate, its key and the CA`,
      { cause: error },
    );
  }
}

/** @throws config_invalid */
function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const cause = systemCode(error) === 'ENOENT' ? 'does not exist' : messageOf(error);
    throw new SluiceError('config_invalid', `${path}: ${cause}; write a PEM file there`, {
      cause: error,
    });
  }
}

/** Requests under way end as they would; no connection is used for another. */
function retire(agent: HttpAgent): void {
  agent.maxFreeSockets = 0;
  for (const sockets of Object.values(agent.freeSockets)) {
    for (const socket of sockets ?? []) socket.destroy();
  }
}
