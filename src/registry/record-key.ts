// Which keys and values a record may have, in every store: those of a Consul-compatible path, so that
// what one registry holds can be copied into another.

import { SluiceError } from '../base/errors.ts';

export const VALUE_BYTES_MAX = 512 * 1024;

/** `empty`: a prefix may be empty. @throws registry_refused */
export function assertKey(key: string, empty: 'no' | 'allowed' = 'no'): void {
  const segments = key.split('/');
  const isUnclean = segments.some(
    (segment, at) =>
      segment === '.' || segment === '..' || (segment === '' && at < segments.length - 1),
  );
  if (isUnclean || (key === '' && empty === 'no')) {
    throw new SluiceError(
      'registry_refused',
      `key "${key}": empty, "." and ".." segments cannot be stored; write it without them`,
    );
  }
  if (/[\p{Cc}]/u.test(key)) {
    throw new SluiceError('registry_refused', `key ${JSON.stringify(key)}: has control characters`);
  }
  if (!key.isWellFormed()) {
    throw new SluiceError(
      'registry_refused',
      `key ${JSON.stringify(key)}: half of a surrogate pair has no UTF-8`,
    );
  }
}

/** @throws too_large */
export function valueBytes(key: string, value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length <= VALUE_BYTES_MAX) return bytes;
  throw new SluiceError(
    'too_large',
    `key "${key}": value of ${bytes.length} bytes, at most ${VALUE_BYTES_MAX}; store it elsewhere`,
  );
}
