// The agent: services and checks of this node.

import { Agent } from './agent/agent.ts';
import { agentRoutes } from './agent/agent-api.ts';
import { maintenanceRoutes } from './agent/maintenance-api.ts';
import { memberRoutes } from './agent/member-api.ts';
import type { ApiContext, Family } from './routes.ts';

export function agentFamily(context: ApiContext): Family {
  const agent = new Agent(context);
  return {
    routes: {
      ...agentRoutes(agent, context),
      ...maintenanceRoutes(agent),
      ...memberRoutes(context),
    },
    opened: agent.start(),
    close: () => agent.close(),
  };
}
