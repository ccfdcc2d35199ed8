// Claim: 20 pages that follow a pool of 200 servers with traffic cost the primary under 3 % of a core.
//
// A real serve, every server answers each second; the primary's processor time without listeners and with them,
// alternating.
//
//   node bench/stream.ts [--rounds 3] [--seconds 4]

import { once } from 'node:events';
import { Agent, createServer, get as httpGet } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { cpuSeconds } from '../demo/stack.ts';
import { daemonConfig, runDaemonProcess, temporaryDir } from '../test/support/daemon/builders.ts';
import { median, table } from './lab.ts';

const SERVERS = 200;
const LISTENERS = 20;
const PER_SECOND = 400;

export async function run(rounds = 3, seconds = 4): Promise<string> {
  const closers: (() => unknown)[] = [];
  const scope = { after: (close: () => unknown) => void closers.push(close) };
  try {
    const ids: string[] = [];
    for (let place = 0; place < SERVERS; place += 1) {
      const host = `127.0.1.${place + 1}`;
      const server = createServer((_, response) => response.end('ok'));
      server.listen(0, host);
      await once(server, 'listening');
      closers.push(() => server.close().closeAllConnections());
      ids.push(`${host}:${(server.address() as AddressInfo).port}`);
    }
    const servers = ids.map((id) => `{ address: "${id}" }`).join(', ');
    const yaml = `workers: 1\nupstreams: { app: { servers: [${servers}] } }`;
    const daemon = await runDaemonProcess(scope, daemonConfig(yaml, temporaryDir(scope)));
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const load = setInterval(() => {
      for (let n = 0; n < PER_SECOND / 20; n += 1) {
        httpGet(daemon.gateway, { agent }, (answer) => answer.resume()).on('error', () => {});
      }
    }, 50);
    closers.push(
      () => clearInterval(load),
      () => agent.destroy(),
    );
    const pid = daemon.process.pid ?? 0;
    const share = async (): Promise<number> => {
      await delay(1000);
      const before = cpuSeconds(pid);
      await delay(seconds * 1000);
      return ((cpuSeconds(pid) - before) / seconds) * 100;
    };
    const shares: { alone: number[]; watched: number[] } = { alone: [], watched: [] };
    let bytes = 0;
    for (let round = 0; round < rounds; round += 1) {
      shares.alone.push(await share());
      const stop = new AbortController();
      for (let n = 0; n < LISTENERS; n += 1) {
        const url = `${daemon.control}/api/stream?topics=overview,pool:app`;
        const { body } = await fetch(url, { signal: stop.signal });
        void (async () => {
          for await (const chunk of body ?? []) bytes += chunk.length;
        })().catch(() => {});
      }
      shares.watched.push(await share());
      stop.abort();
    }
    const [alone, watched] = [median(shares.alone), median(shares.watched)];
    const perListener = Math.round(bytes / rounds / LISTENERS / (seconds + 1) / 1000);
    return table([
      ['primary, % of a core', 'nobody listens', `${LISTENERS} listen`, 'for them', 'kB/s each'],
      [
        ...[`${SERVERS} servers`, alone.toFixed(2), watched.toFixed(2)],
        ...[(watched - alone).toFixed(2), String(perListener)],
      ],
    ]);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { rounds: { type: 'string' }, seconds: { type: 'string' } },
  });
  process.stdout.write(`${await run(Number(values.rounds ?? 3), Number(values.seconds ?? 4))}\n`);
}
