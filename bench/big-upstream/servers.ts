// Thousands of servers without thousands of processes: every address of 127.0.0.0/8 is this machine, so
// one nginx that listens on two ports of all of them is as many servers as there are addresses.

import type { Cleanup } from '../../demo/stack.ts';
import { freePorts } from '../../test/support/base/ports.ts';
import { startNginx } from '../lab/nginx.ts';

export type Place = {
  readonly cleanup: Cleanup;
  readonly folder: string;
  /** The core to run on. */
  readonly prefix: readonly string[];
};

/** Half of the addresses with one port and half with the other. */
export async function startMany(place: Place): Promise<(count: number) => readonly string[]> {
  const ports = await freePorts(2);
  const [port = 0] = ports;
  const listeners = ports.map(
    (listen) =>
      `server { listen ${listen} backlog=4096; location / { return 200 "hello world\\n"; } }`,
  );
  const http = `access_log off; keepalive_timeout 600s; ${listeners.join('\n')}`;
  const workers = await startNginx({ ...place, name: 'servers', port, http });
  if (workers === undefined) throw new Error('big-upstream: nginx is needed; see .ci/run');
  return (count) => Array.from({ length: count }, (_, at) => serverOf(at, ports));
}

function serverOf(at: number, ports: readonly number[]): string {
  return `127.1.${Math.floor(at / 250)}.${(at % 250) + 1}:${ports[at % ports.length]}`;
}
