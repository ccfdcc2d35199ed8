// Namespaces are a matter of Consul Enterprise: a request that means another one is refused, since
// here it would read or write the wrong thing. Pure.

import { type Answer, parameter, type Query, textAnswer } from './http.ts';
import type { Caller } from './routes.ts';

const ENTERPRISE = 'Namespaces are a Consul Enterprise feature';

export function inNamespace(
  query: Query,
  { namespace }: Pick<Caller, 'namespace'>,
): Answer | undefined {
  if (namespace !== '') {
    return textAnswer(400, `Bad request: Invalid header: "X-Consul-Namespace" - ${ENTERPRISE}`);
  }
  if (parameter(query, 'ns') === '') return undefined;
  return textAnswer(400, `Bad request: Invalid query parameter: "ns" - ${ENTERPRISE}`);
}
