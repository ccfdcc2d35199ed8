// Why a TLS handshake with a server failed, in words for the person who has to mend it.

const UNKNOWN_AUTHORITY =
  'its certificate is of an authority that is not trusted (name it in tls.ca)';
const WORDS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is for other names (tls.server_name says which one is expected)',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed, and not in tls.ca',
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  CERT_SIGNATURE_FAILURE: 'its certificate is not signed by who it says (tls.ca)',
  INVALID_PURPOSE: 'its certificate is not one of a server',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS on this port',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS on this port',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'it speaks only older versions of TLS (tls.min_version)',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it speaks no version of TLS that we do (tls.min_version)',
  ECONNRESET: 'it closed the connection in the handshake',
  EPIPE: 'it closed the connection in the handshake',
};

/** `code`: of Node or OpenSSL. */
export function tlsProblem(code: string): string {
  const known = WORDS[code];
  if (known !== undefined) return `${known} (${code})`;
  return /ALERT/.test(code)
    ? `it refused the handshake (${code})`
    : `the handshake failed (${code})`;
}
