// A whole Sluice with a service `app` of two instances for tests of releases: real daemon, real CLI,
// real processes. The version of the app decides how it behaves.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { PROJECT, Stack } from '../../../demo/stack/gateway.ts';
import { Cleanup, start, temporaryFolder } from '../../../demo/stack/processes.ts';
import { freePorts } from '../base/ports.ts';

import { killGroup } from './builders.ts';

/** Versions that misbehave; every other name is a good version. */
const BEHAVIOURS: Readonly<Record<string, string>> = {
  late: "process.env.LATE_MS = '500'",
  never: "process.env.LATE_MS = '600000'",
  liar: "process.env.ANSWER_VERSION = 'v1'",
  stubborn: "process.env.IGNORE_TERM = 'on'",
  rotten: "process.env.ROTTEN = 'on'",
  hang: "process.env.HANG = '/hang'",
};

export type ReleaseStack = {
  readonly stack: Stack;
  readonly instances: readonly string[];
  readonly cleanup: Cleanup;
  /** The journal of a release, '' when it is not there. */
  readonly journal: (release: string) => string;
};

/** Of the file: more lines of the two sections. `app`: what is started instead of the demo's. */
type Part = {
  readonly service?: string;
  readonly upstream?: string;
  readonly app?: string;
  readonly drainTimeout?: string;
  /** More keys of `admin`. */
  readonly admin?: string;
};

export async function startReleaseStack(t: TestContext, part: Part = {}): Promise<ReleaseStack> {
  const { service = '', upstream = '', drainTimeout = '2s', admin: more = '' } = part;
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const folder = await temporaryFolder('release', cleanup);
  const ports = await freePorts(2);
  const instances = ports.map((port) => `127.0.0.1:${port}`);
  const launcher = join(folder, 'app.ts');
  const cases = Object.entries(BEHAVIOURS).map(([name, code]) => `if (v === '${name}') ${code};`);
  const app = JSON.stringify(part.app ?? join(PROJECT, 'demo/app.ts'));
  await writeFile(
    launcher,
    `const v = process.env.VERSION;\n${cases.join('\n')}\nawait import(${app});\n`,
  );
  const folderOf = (name: string): string => join(folder, 'state', 'run', 'app', name);
  cleanup.add(async () => {
    for (const id of instances) {
      const { readFile } = await import('node:fs/promises');
      const text = await readFile(folderOf(`${id}.json`), 'utf8').catch(() => '{}');
      const record: { process?: { handle?: { pid?: number } } | null } = JSON.parse(text);
      if (record.process?.handle?.pid !== undefined) killGroup(record.process.handle.pid);
    }
  });
  const stack = await Stack.start({
    cleanup,
    folder,
    config: ({ gateway, admin, registry }) => `state_dir: state
workers: 2
log_level: warn
listen: 127.0.0.1:${gateway}
admin: { listen: 127.0.0.1:${admin}${more} }
registry: { embedded: { listen: 127.0.0.1:${registry} } }
upstreams:
  app:
    servers: [${instances.join(', ')}]
    check: { type: http, path: /ping, interval: 100ms, timeout: 2s, rise: 2, fall: 3 }
${upstream}services:
  app:
    instances: [${instances.join(', ')}]
    start: [${JSON.stringify(process.execPath)}, ${launcher}, -h, "{host}", -p, "{port}"]
${/^ {4}env:/m.test(service) ? '' : '    env: { VERSION: "{version}" }\n'}    stop_timeout: 500ms
    drain: { timeout: ${drainTimeout} }
    check: { path: /ping, interval: 100ms, timeout: 2s, rise: 2, deadline: 30s }
    expect_version: { header: x-app-version }
${/^ {4}supervise:/m.test(service) ? '' : '    supervise: off\n'}${service}`,
  });
  const journal = (release: string): string => folderOf(`releases/${release}.jsonl`);
  return { stack, instances, cleanup, journal };
}

/** `sluice deploy app` that can be killed: its child, and its output when it is over. */
export function startDeploy(
  { stack }: ReleaseStack,
  version: string,
  more: readonly string[] = [],
): ReturnType<typeof start> {
  const command = join(PROJECT, 'bin/sluice.js');
  const words = ['deploy', 'app', '--version', version, ...more];
  const argv = [command, '-c', stack.configFile, ...words];
  return start(process.execPath, argv, { env: { NO_COLOR: '1' } });
}
