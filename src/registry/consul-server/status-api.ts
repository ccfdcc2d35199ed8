// What clients ask at their start: who leads, which data centres there are, which agent answers.

import { formatAddress } from '../../base/units.ts';
import { agentSelf } from './agent-document.ts';
import { goString, prettyJson } from './go.ts';
import { jsonAnswer } from './http.ts';
import { permissionDenied } from './rights.ts';
import type { ApiContext, Family, Handler } from './routes.ts';

export function statusFamily(context: ApiContext): Family {
  const leader = goString(formatAddress(context.serverAddress));
  const json =
    (text: string): Handler =>
    (_path, query) => {
      const options = context.optionsOf(query);
      if ('status' in options) return options;
      return jsonAnswer(options.pretty ? prettyJson(text) : text);
    };
  const self = json(agentSelf(context));
  return {
    routes: {
      '/v1/status/leader': { GET: json(leader) },
      '/v1/status/peers': { GET: json(`[${leader}]`) },
      '/v1/catalog/datacenters': { GET: json(`[${goString(context.datacenter)}]`) },
      '/v1/agent/self': {
        GET: (path, query, caller) =>
          caller.rights.allows('agent', 'read', context.nodeName)
            ? self(path, query, caller)
            : permissionDenied(),
      },
    },
  };
}
