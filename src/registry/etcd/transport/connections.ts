// The connections to the addresses of a cluster: kept alive, over TLS where there are TLS settings. The
// files are looked at again by `renew`, so that a certificate that was replaced is taken up.

import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createSecureContext } from 'node:tls';
import { messageOf, SluiceError } from '../../../base/errors.ts';

export type EtcdTls = {
  /** Paths of PEM files; '' = the authorities that Node trusts, no certificate of ours. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** The name that the server's certificate must have; '' = the host of its address. */
  readonly serverName: string;
  /** False: any certificate is taken. */
  readonly verify: boolean;
};

type Material = {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
};

/** What a request needs to know of its connection. */
export type ConnectionOptions = Material & { readonly agent: HttpAgent | false };

const AGENT = { keepAlive: true, keepAliveMsecs: 15_000, maxFreeSockets: 8 };

export class Connections {
  readonly #tls: EtcdTls | undefined;
  #material: Material;
  #agent: HttpAgent;

  /** @throws config_invalid for a file that cannot be read */
  constructor(tls: EtcdTls | undefined) {
    this.#tls = tls;
    this.#material = materialOf(tls);
    this.#agent = this.#open();
  }

  get isTls(): boolean {
    return this.#tls !== undefined;
  }

  /** `fresh`: a connection of its own instead of one that is kept. */
  options(fresh: boolean): ConnectionOptions {
    return fresh ? { ...this.#material, agent: false } : { agent: this.#agent };
  }

  /** New connections from now on when the files have changed. */
  renew(): void {
    let material: Material;
    try {
      material = materialOf(this.#tls);
    } catch {
      // A file that is just being replaced: those that were read before stay in use.
      return;
    }
    if (isSame(material, this.#material)) return;
    this.#material = material;
    this.#agent.destroy();
    this.#agent = this.#open();
  }

  close(): void {
    this.#agent.destroy();
  }

  #open(): HttpAgent {
    return this.isTls ? new HttpsAgent({ ...AGENT, ...this.#material }) : new HttpAgent(AGENT);
  }
}

/** Reads the files as a client would, and keeps nothing. @throws config_invalid */
export function checkEtcdTls(tls: EtcdTls): void {
  const material = materialOf(tls);
  try {
    createSecureContext(material);
  } catch (error) {
    const files = [tls.ca, tls.cert, tls.key].filter((path) => path !== '').join(', ');
    throw new SluiceError(
      'config_invalid',
      `etcd: ${files}: ${messageOf(error)}; write PEM files of one certificate, its key and the CA`,
      { cause: error },
    );
  }
}

function materialOf(tls: EtcdTls | undefined): Material {
  if (tls === undefined) return {};
  return {
    ...(tls.ca === '' ? {} : { ca: read(tls.ca) }),
    ...(tls.cert === '' ? {} : { cert: read(tls.cert) }),
    ...(tls.key === '' ? {} : { key: read(tls.key) }),
    ...(tls.serverName === '' ? {} : { servername: tls.serverName }),
    rejectUnauthorized: tls.verify,
  };
}

function isSame(one: Material, other: Material): boolean {
  const text = ({ ca, cert, key }: Material): string =>
    [ca, cert, key].map((file) => file?.toString('latin1') ?? '').join('\0');
  return text(one) === text(other);
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new SluiceError(
      'config_invalid',
      `etcd: ${path} cannot be read (${messageOf(error)}); correct the path or the file's rights`,
      { cause: error },
    );
  }
}
