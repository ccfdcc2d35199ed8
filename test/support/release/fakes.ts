// Fakes of the programs that keep instances (systemd, docker, pm2), each in a folder of its own: a file
// with the program's name that can be called from any host of the tests. They keep real processes.

import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ServiceConfig } from '../../../src/config.ts';
import { buildService, NO_DRIVER_SETTINGS } from './builders.ts';
import { readKept } from './fakes/keeper.ts';

export type FakeKind = 'systemd' | 'docker' | 'pm2';

/** Prints that it listens, answers with its version, and ends as its second word says. */
const APP = `const [port, way] = process.argv.slice(2);
const version = process.env.SLUICE_VERSION;
if (way === 'stubborn') process.on('SIGTERM', () => {}).on('SIGINT', () => {});
if (way === 'crash') process.exit(7);
require('http').createServer((request, response) => {
  response.setHeader('x-app-version', version);
  response.end(request.url === '/version' ? version : JSON.stringify(process.env));
}).listen(+port, '127.0.0.1', () => console.log(version + ' listens'));`;

const PROGRAMS: Readonly<Record<FakeKind, readonly string[]>> = {
  systemd: ['systemctl', 'journalctl'],
  docker: ['docker'],
  pm2: ['pm2'],
};

export type FakeKeeper = {
  readonly folder: string;
  /** An application for node; its words: a port, and a way to misbehave. */
  readonly app: string;
  readonly service: ServiceConfig;
};

/** A service of this many instances whose driver works by a fake. All that it keeps ends with the test. */
export async function fakeService(
  t: TestContext,
  kind: FakeKind,
  part: Partial<ServiceConfig> = {},
  count = 1,
): Promise<FakeKeeper> {
  const folder = await mkdtemp(join(tmpdir(), `sluice-${kind}-`));
  const app = join(folder, 'app.cjs');
  await writeFile(app, APP);
  const script = join(
    import.meta.dirname,
    'fakes',
    `${kind === 'systemd' ? 'systemctl' : kind}.ts`,
  );
  for (const name of PROGRAMS[kind]) {
    const given = kind === 'systemd' ? ` ${name}` : '';
    const line = `NODE_COMPILE_CACHE=${process.env['NODE_COMPILE_CACHE'] ?? `${folder}/.cache`} exec ${process.execPath} ${script} ${folder}${given} "$@"`;
    await writeFile(join(folder, name), `#!/bin/sh\n${line}\n`);
    await chmod(join(folder, name), 0o755);
  }
  const unit = `[Service]
ExecStart=${process.execPath} ${app} %i
EnvironmentFile=${folder}/%i.env
Restart=on-failure
`;
  await writeFile(join(folder, 'app@.service'), unit);
  const command = [process.execPath, app];
  await writeFile(
    join(folder, 'image.json'),
    JSON.stringify({ 'app:v1': command, 'app:v2': command }),
  );
  t.after(() => endAll(folder));
  const { systemd, docker, pm2 } = NO_DRIVER_SETTINGS;
  const [program = ''] = PROGRAMS[kind];
  const own = [join(folder, program)];
  const service = await buildService(t, count, {
    driver: kind,
    env: {},
    start: { systemd: [], docker: ['{port}'], pm2: [...command, '{port}'] }[kind],
    systemd: {
      ...systemd,
      unit: 'app@{port}.service',
      envFile: join(folder, '{port}.env'),
      command: own,
    },
    docker: { ...docker, image: 'app:{version}', pull: 'never', command: own },
    pm2: { ...pm2, home: folder, command: own },
    ...part,
  });
  return { folder, app, service };
}

async function endAll(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.state')) continue;
    const kept = readKept(join(folder, name.slice(0, -'.state'.length)));
    if (kept === undefined) continue;
    for (const pid of [kept.keeper, ...(kept.isRunning ? [kept.pid] : [])]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone already.
      }
    }
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
