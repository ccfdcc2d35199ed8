// What TLS on a listener needs beside its settings: certificates with their keys, as PEM. The primary reads them and
// hands them to the workers, which need no right to the files. Never logged, never shown.

export type CertificatePair = { readonly cert: string; readonly key: string };

export type ListenerCredentials = {
  /** At least one; the first is for clients that name nothing known. */
  readonly pairs: readonly CertificatePair[];
  /** Authorities of clients; '' = clients are not asked. */
  readonly clientCa: string;
};

/** What we show to servers, and whom we trust; '' = nothing of ours, and those that Node trusts. */
export type ServerCredentials = {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
};

export type TlsCredentials = {
  /** For all listeners with TLS, by their ids. */
  readonly listeners: Readonly<Record<string, ListenerCredentials>>;
  /** For all upstreams with TLS, by their names. */
  readonly upstreams: Readonly<Record<string, ServerCredentials>>;
  /** Keys of session tickets, base64 of 48 bytes, the one that new tickets are made with first. */
  readonly ticketKeys: readonly string[];
};

export const NO_CREDENTIALS: TlsCredentials = { listeners: {}, upstreams: {}, ticketKeys: [] };

/** What may be shown of a certificate. */
export type CertificateFacts = {
  /** Path of the file. */
  readonly file: string;
  readonly listener: string;
  /** DNS names and IP addresses that it is for. */
  readonly names: readonly string[];
  /** `ec` or `rsa`. */
  readonly keyType: string;
  readonly beginsAtMs: number;
  readonly expiresAtMs: number;
  /** SHA-256, as openssl writes it. */
  readonly fingerprint: string;
};
