// Two hosts behind sshds, two gateways on one registry, and a service with an instance on each host.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Cleanup, PROJECT, Stack, temporaryFolder } from '../../demo/stack.ts';
import { freePorts } from '../../test/support/base/ports.ts';
import { signal } from '../../test/support/base/signal.ts';
import { type Sshd, startSshd } from '../../test/support/cli/sshd.ts';
import { endKeepers } from '../../test/support/release/hosts-stack.ts';

const APP = join(PROJECT, 'demo/app.ts');

/** How a version behaves; a good one has another name. */
const BEHAVIOURS = {
  broken: 'process.exit(1)',
  rotten: "process.env.ROTTEN = 'on'",
  liar: "process.env.ANSWER_VERSION = 'v0'",
  late: "process.env.LATE_MS = '1500'",
} as const;

export type Behaviour = keyof typeof BEHAVIOURS | 'good';

export type Ground = {
  readonly cleanup: Cleanup;
  readonly random: () => number;
  readonly stacks: readonly Stack[];
  readonly sshds: readonly Sshd[];
  readonly instances: readonly string[];
  /** When clients may meet failures, and why. */
  readonly excuses: { readonly why: string; readonly fromMs: number; toMs: number }[];
  readonly say: (line: string) => void;
};

export async function buildGround(
  cleanup: Cleanup,
  random: () => number,
  say: Ground['say'],
): Promise<Ground> {
  const scope = {
    after: (end: () => unknown) => cleanup.add(async () => void (await end())),
    skip: () => {
      throw new Error('sshd is not on this machine: run .ci/peers');
    },
  };
  const folder = await temporaryFolder('release-troubles', cleanup);
  const launcher = join(folder, 'app.ts');
  const cases = Object.entries(BEHAVIOURS).map(
    ([name, code]) => `if (v.startsWith('${name}')) ${code};`,
  );
  await writeFile(
    launcher,
    `const v = process.env.VERSION ?? '';\n${cases.join('\n')}\nawait import(${JSON.stringify(APP)});\n`,
  );
  const sshds: Sshd[] = [];
  const hosts: string[] = [];
  for (const at of [1, 2]) {
    const sshd = await startSshd(scope);
    if (sshd === undefined) throw new Error('sshd is not on this machine: run .ci/peers');
    sshds.push(sshd);
    const { destination, port, config } = sshd.ssh;
    const ssh = JSON.stringify({ target: destination, port, config });
    hosts.push(`app-${at}: { address: 127.0.0.${at}, ssh: ${ssh} }`);
  }
  const [port = 0] = await freePorts(1);
  const instances = ['127.0.0.1', '127.0.0.2'].map((host) => `${host}:${port}`);
  const runDir = join(folder, 'run');
  const configOf = (ports: Stack['ports'], isClient: boolean): string => `state_dir: state
workers: 1
log_level: warn
listen: 127.0.0.1:${ports.gateway}
admin: { listen: 127.0.0.1:${ports.admin} }
registry: ${isClient ? `{ consul: { addresses: [127.0.0.1:${ports.registry}] } }` : `{ embedded: { listen: 127.0.0.1:${ports.registry} } }`}
upstreams:
  app:
    check: { type: http, path: /ping, interval: 500ms, timeout: 2s, rise: 2, fall: 3 }
hosts: { ${hosts.join(', ')} }
services:
  app:
    hosts: [app-1, app-2]
    ports: [${port}]
    cwd: ${folder}
    run_dir: ${runDir}
    start: [${JSON.stringify(process.execPath)}, ${JSON.stringify(launcher)}, -h, "{host}", -p, "{port}"]
    env: { VERSION: "{version}" }
    drain: { timeout: 10s }
    check: { path: /ping, interval: 250ms, rise: 2, deadline: 10s }
    guard: { wait: 20s }
    verify: { window: 3s, min_requests: 10, max_5xx: 10%, vs_peers: 3 }
    expect_version: { header: x-app-version }
`;
  const stacks: Stack[] = [];
  for (const at of [0, 1]) {
    const consulPort = stacks[0]?.ports.registry;
    const home = join(folder, `gateway-${at}`);
    await mkdir(home);
    stacks.push(
      await Stack.start({
        ...{ cleanup, folder: home, config: (ports) => configOf(ports, at === 1) },
        ...(consulPort === undefined ? {} : { consulPort }),
      }),
    );
  }
  cleanup.add(async () => {
    await endKeepers(join(runDir, 'app'));
    for (const id of instances) signal((await answerOf(id)).pid, 'SIGKILL');
  });
  for (const id of instances) await stacks[0]?.put(`upstreams/app/${id}`, '{"weight":1}');
  return { cleanup, random, stacks, sshds, instances, excuses: [], say };
}

export async function answerOf(
  id: string,
): Promise<{ readonly version: string; readonly pid: number }> {
  const [host = '', port = ''] = id.split(':');
  try {
    const response = await fetch(`http://${host}:${port}/ping`, {
      signal: AbortSignal.timeout(3000),
      headers: { connection: 'close' },
    });
    await response.text();
    return {
      version: response.headers.get('x-app-version') ?? '',
      pid: Number(response.headers.get('x-app-pid') ?? 0),
    };
  } catch {
    return { version: '', pid: 0 };
  }
}
