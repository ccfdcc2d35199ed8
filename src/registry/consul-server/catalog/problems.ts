// Why a node or a service cannot be registered, in Consul's words; '' when it can. Pure.

import type { ProxyConfig, Texts, Weights } from './entities.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const META_PAIRS_MAX = 64;
const META_KEY_MAX = 128;
const META_VALUE_MAX = 512;

export function nodeProblem(node: string, id: string): string {
  if (node === '') return 'Must provide node';
  if (id === '' || UUID.test(id)) return '';
  return id.length === 36
    ? 'Bad node ID: uuid is improperly formatted'
    : 'Bad node ID: uuid string is wrong length';
}

type ServiceLike = {
  readonly Kind: string;
  readonly ID: string;
  readonly Address: string;
  readonly Port: number;
  readonly Proxy: ProxyConfig | null;
  readonly Connect: { readonly Native: boolean } | null;
};

export function serviceProblem(service: ServiceLike, name: string): string {
  const problem = kindProblem(service);
  if (problem !== '') return problem;
  if (service.ID !== '' && name === '') return 'Must provide service name with ID';
  return isAnyAddress(service.Address) ? 'Invalid service address' : '';
}

export function isAnyAddress(address: string): boolean {
  return ['0.0.0.0', '::', '[::]'].includes(address);
}

/** As a mesh's proxies and gateways must be. */
export function kindProblem({ Kind, Port, Proxy: proxy, Connect }: ServiceLike): string {
  const problems: string[] = [];
  if (Kind === 'connect-proxy') {
    if ((proxy?.DestinationServiceName ?? '').trim() === '') {
      problems.push('Proxy.DestinationServiceName must be non-empty for Connect proxy services');
    }
    if (Port === 0) problems.push('Port must be set for a Connect proxy');
    if (Connect?.Native === true) {
      problems.push('A Proxy cannot also be Connect Native, only typical services');
    }
  } else if (['mesh-gateway', 'terminating-gateway'].includes(Kind) && Port === 0) {
    problems.push(`Port must be non-zero for a ${Kind}`);
  }
  return problemList(problems);
}

/** As Consul joins them; '' for none. */
export function problemList(problems: readonly string[]): string {
  if (problems.length === 0) return '';
  const counted = problems.length === 1 ? '1 error' : `${problems.length} errors`;
  return `${counted} occurred:\n${problems.map((each) => `\t* ${each}\n`).join('')}\n`;
}

export function weightsProblem({ Passing, Warning }: Weights): string {
  if (Passing < 1) return 'Passing must be greater than 0';
  if (Warning < 0) return 'Warning must be greater or equal than 0';
  return Math.max(Passing, Warning) > 65_535 ? 'DNS Weight must be between 0 and 65535' : '';
}

export function metaProblem(meta: Texts | null): string {
  const pairs = Object.entries(meta ?? {});
  if (pairs.length > META_PAIRS_MAX) {
    return `Node metadata cannot contain more than ${META_PAIRS_MAX} key/value pairs`;
  }
  for (const [key, value] of pairs) {
    const problem = pairProblem(key, value);
    if (problem !== '') return `Couldn't load metadata pair ('${key}', '${value}'): ${problem}`;
  }
  return '';
}

function pairProblem(key: string, value: string): string {
  if (key === '') return 'Key cannot be blank';
  if (!/^[a-zA-Z0-9_-]+$/.test(key)) return 'Key contains invalid characters';
  if (key.length > META_KEY_MAX) return `Key is too long (limit: ${META_KEY_MAX} characters)`;
  if (key.startsWith('consul-')) return "Key prefix 'consul-' is reserved for internal use";
  return value.length > META_VALUE_MAX
    ? `Value is too long (limit: ${META_VALUE_MAX} characters)`
    : '';
}
