// /v1/acl/*: tokens and policies. Without access control every path answers as Consul does: 401.

import { textAnswer } from '../http.ts';
import type { ApiContext, Endpoint, Family, Method } from '../routes.ts';
import { legacyRoutes } from './legacy-api.ts';
import { policyRoutes } from './policy-api.ts';
import { roleRoutes } from './role-api.ts';
import { tokenRoutes } from './token-api.ts';

const PATHS: Readonly<Record<string, readonly Method[]>> = {
  '/v1/acl/bootstrap': ['PUT'],
  '/v1/acl/policies': ['GET'],
  '/v1/acl/policy': ['PUT'],
  '/v1/acl/policy/': ['GET', 'PUT', 'DELETE'],
  '/v1/acl/policy/name/': ['GET'],
  '/v1/acl/tokens': ['GET'],
  '/v1/acl/token': ['PUT'],
  '/v1/acl/token/': ['GET', 'PUT', 'DELETE'],
  '/v1/acl/token/self': ['GET'],
  '/v1/acl/roles': ['GET'],
  '/v1/acl/role': ['PUT'],
  '/v1/acl/role/': ['GET', 'PUT', 'DELETE'],
  '/v1/acl/role/name/': ['GET'],
  '/v1/acl/create': ['PUT'],
  '/v1/acl/update': ['PUT'],
  '/v1/acl/info/': ['GET'],
  '/v1/acl/list': ['GET'],
  '/v1/acl/clone/': ['PUT'],
  '/v1/acl/destroy/': ['PUT'],
  '/v1/acl/replication': ['GET'],
  '/v1/acl/rules/translate': ['POST'],
  '/v1/acl/rules/translate/': ['GET'],
};

export function aclFamily(context: ApiContext): Family {
  const { identities } = context;
  if (identities !== undefined) {
    return {
      routes: {
        ...policyRoutes(context),
        ...roleRoutes(context),
        ...tokenRoutes(context, identities),
        ...legacyRoutes(context, identities),
      },
    };
  }
  const disabled = (): ReturnType<typeof textAnswer> => textAnswer(401, 'ACL support disabled');
  const routes = Object.entries(PATHS).map(([path, methods]): readonly [string, Endpoint] => [
    path,
    Object.fromEntries(methods.map((method) => [method, disabled])),
  ]);
  return { routes: Object.fromEntries(routes) };
}
