// A real DNS server on loopback, Debian's unbound, with the zone `test.` that a test writes.

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Address } from '../../../src/base/units.ts';
import { freePorts } from '../base/ports.ts';
import { needPeer, type Scope } from './programs.ts';

const START_TIMEOUT_MS = 30_000;

export type RunningUnbound = {
  readonly address: Address;
  /** Makes these the records of the name, `300 IN A 127.0.0.1`; without any it does not exist. */
  set(name: string, records: readonly string[]): Promise<void>;
  /** Ends it, and starts it again with the records that were set. */
  end(): Promise<void>;
  start(): Promise<void>;
};

/** Undefined: skipped. */
export async function startUnbound(t: Scope): Promise<RunningUnbound | undefined> {
  const path = needPeer(t, 'unbound');
  if (path === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-unbound-'));
  const [port = 0] = await freePorts(1);
  const file = join(folder, 'unbound.conf');
  const zone = new Map<string, readonly string[]>();
  const control = async (...words: readonly string[]): Promise<void> => {
    await promisify(execFile)(join(dirname(path), 'unbound-control'), ['-c', file, ...words]);
  };
  let child: ChildProcess | undefined;
  const end = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  const start = async (): Promise<void> => {
    // With all it has from its first answer on: a name that it does not know yet would be a list without servers.
    await writeFile(file, configuration(folder, port, zone));
    const started = spawn(path, ['-d', '-c', file], { stdio: 'ignore' });
    child = started;
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const isThere = await control('status').then(
        () => true,
        () => false,
      );
      if (isThere) break;
      assert.equal(started.exitCode, null, 'unbound ended');
      assert.ok(performance.now() < deadlineMs, 'unbound did not start');
      await delay(20);
    }
  };
  const add = async (name: string, records: readonly string[]): Promise<void> => {
    for (const record of records) await control('local_data', ...`${name}. ${record}`.split(' '));
  };
  t.after(async () => {
    await end();
    await rm(folder, { recursive: true, force: true });
  });
  await start();
  return {
    address: { host: '127.0.0.1', port },
    async set(name, records) {
      if (zone.get(name)?.join() === records.join()) return;
      zone.set(name, records);
      if (child?.exitCode !== null || child.signalCode !== null) return;
      await control('local_data_remove', `${name}.`);
      await add(name, records);
    },
    end,
    start,
  };
}

function configuration(
  folder: string,
  port: number,
  zone: ReadonlyMap<string, readonly string[]>,
): string {
  const data = [...zone].flatMap(([name, records]) =>
    records.map((record) => `  local-data: "${name}. ${record}"`),
  );
  return `server:
  interface: 127.0.0.1
  port: ${port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  directory: "${folder}"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: "unbound.log"
  num-threads: 1
  module-config: "iterator"
  local-zone: "test." static
${data.join('\n')}
remote-control:
  control-enable: yes
  control-interface: ${folder}/control.sock
  control-use-cert: no
`;
}
