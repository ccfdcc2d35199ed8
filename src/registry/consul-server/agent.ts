// The agent: services and checks of this node.

import { Agent } from './agent/agent.ts';
import { agentRoutes } from './agent/agent-api.ts';
import { DefinedServices } from './agent/definitions.ts';
import { maintenanceRoutes } from './agent/maintenance-api.ts';
import { memberRoutes } from './agent/member-api.ts';
import type { ApiContext, Family } from './routes.ts';

export type { Definitions } from './agent/definitions.ts';

export function agentFamily(context: ApiContext): Family {
  const agent = new Agent(context);
  const defined = new DefinedServices(agent, context, context.definitions);
  return {
    routes: {
      ...agentRoutes(agent, context),
      ...maintenanceRoutes(agent),
      ...memberRoutes(context, () => defined.apply()),
    },
    opened: agent.start().then(() => defined.apply()),
    close: () => agent.close(),
  };
}
