// How a bench starts a real nginx: one worker, what it writes in the bench's folder under a name.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cleanup, listening, start } from '../../demo/stack.ts';
import { childrenOf } from '../../test/support/base/process-facts.ts';
import { nginxConfig } from '../../test/support/peers/nginx.ts';
import { findPeer } from '../../test/support/peers/programs.ts';

export type NginxOptions = {
  readonly folder: string;
  readonly name: string;
  readonly cleanup: Cleanup;
  /** Where it answers when it is ready. */
  readonly port: number;
  /** What stands in the http block. */
  readonly http: string;
  /** Argv in front, such as taskset's. */
  readonly prefix?: readonly string[];
};

/** The pids of its workers, once it listens. Undefined when nginx is not on this machine. */
export async function startNginx(options: NginxOptions): Promise<readonly number[] | undefined> {
  const { folder, name, cleanup, port, http, prefix = [] } = options;
  const program = findPeer('nginx');
  if (program === undefined) return undefined;
  const file = join(folder, `${name}.conf`);
  const config = nginxConfig({
    ...{ folder, name, connections: 16_384 },
    main: 'worker_rlimit_nofile 16384; error_log stderr error;',
    http: `keepalive_requests 1000000000; ${http}`,
  });
  await writeFile(file, config);
  const [command = '', ...argv] = [...prefix, program, '-p', folder, '-c', file];
  const child = start(command, argv);
  cleanup.add(() => child.stop());
  await listening(port, child);
  return childrenOf(child.pid);
}
