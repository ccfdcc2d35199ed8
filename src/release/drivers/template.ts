// Placeholders in what a service says of its instances: `{version}`, `{host}`, `{port}`, `{id}` and
// `{service}`. No shell reads the result, so a value stays in its word whatever is in it.

import { type Address, formatAddress } from '../../base/units.ts';
import type { ServiceConfig } from '../../config.ts';

/** `env` and `secrets`; what the latter refer to is only read when an instance is started. */
export function filledEnv(
  service: ServiceConfig,
  address: Address,
  version: string,
): Readonly<Record<string, string>> {
  const fill = filler(service, address, version);
  const entries = Object.entries({ ...service.env, ...service.secrets });
  return Object.fromEntries(entries.map(([name, text]) => [name, fill(text)]));
}

export function filler(
  service: ServiceConfig,
  address: Address,
  version: string,
): (text: string) => string {
  const values: Record<string, string> = {
    version,
    host: address.host,
    port: String(address.port),
    id: formatAddress(address),
    service: service.name,
  };
  return (text) =>
    text.replace(/\{(version|host|port|id|service)\}/g, (whole, name: string) => {
      return values[name] ?? whole;
    });
}
