// demo/app.ts as instances: started directly, or described for `sluice deploy`; and the sluice.yaml
// in which they are the servers of the upstream `app`.

import { join } from 'node:path';
import { http, type Ports, PROJECT } from './gateway.ts';
import { type Child, type Cleanup, listening, start } from './processes.ts';

const APP = join(PROJECT, 'demo/app.ts');

/** One instance on a port, ready to answer. */
export async function startApp(
  port: number,
  cleanup: Cleanup,
  env: Readonly<Record<string, string>> = {},
  timeoutMs?: number,
): Promise<Child> {
  const child = start(process.execPath, [APP, '-p', String(port)], { env });
  cleanup.add(() => child.stop());
  await listening(port, child, timeoutMs);
  return child;
}

/** The process of the instance that answers on a port; undefined when none does. */
export async function pidOfApp(port: number): Promise<number | undefined> {
  try {
    const { fields } = await http('GET', port, '/ping');
    const pid = Number(fields['x-app-pid']);
    return Number.isSafeInteger(pid) ? pid : undefined;
  } catch {
    return undefined; // Nothing listens there: no instance runs.
  }
}

/** Ends instances that `sluice deploy` started: they are nobody's children. */
export async function endApps(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const pid = await pidOfApp(port);
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  }
}

export type AppConfig = {
  readonly ports: Ports;
  readonly instances: readonly number[];
  readonly workers?: number;
  /** Follow a Consul at the registry port instead of the embedded registry. */
  readonly isConsul?: boolean;
};

/**
 * The configuration of the scenario: the servers come from the registry, are checked by GET /ping,
 * and `sluice deploy app` runs them by a local command.
 */
export function appConfig({ ports, instances, workers = 1, isConsul = false }: AppConfig): string {
  const registry = `127.0.0.1:${ports.registry}`;
  return `state_dir: state
workers: ${workers}
log_level: warn
listen: 127.0.0.1:${ports.gateway}
admin: { listen: 127.0.0.1:${ports.admin}, start_releases: on }
registry: ${isConsul ? `{ consul: { addresses: [${registry}] } }` : `{ embedded: { listen: ${registry} } }`}
upstreams:
  app:
    check: { type: http, path: /ping, interval: 500ms, timeout: 1s, rise: 2, fall: 2 }
services:
  app:
    instances: [${instances.map((port) => `127.0.0.1:${port}`).join(', ')}]
    start: [${JSON.stringify(process.execPath)}, ${JSON.stringify(APP)}, -h, "{host}", -p, "{port}"]
    env: { VERSION: "{version}" }
    supervise: off
    check: { path: /ping, interval: 250ms, rise: 2, deadline: 20s }
    expect_version: { header: x-app-version }
`;
}
