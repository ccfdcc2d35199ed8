// Claim: over TLS, one Sluice worker answers at least 0.8 × the requests that nginx answers in one second of processor time,
// and shakes at least 0.8 × as many hands in full. What an idle client takes is told.
//
// One certificate (EC, P-256), TLS 1.3 with AES-128-GCM on kept connections; handshakes by `openssl s_time`, in full with 1.3
// and resumed with 1.2. Processes and turns as in throughput.ts. OpenSSL is not the same: Node brings its own.
//
//   node bench/tls.ts [--rounds 2] [--seconds 2] [--only sluice,nginx] [--parts requests,handshakes,memory]
//     [--beside FOLDER or REVISION]

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { parseArgs } from 'node:util';
import { Cleanup, cpuSeconds, output, residentBytes, temporaryFolder } from '../demo/stack.ts';
import { findPeer } from '../test/support/peers/programs.ts';
import {
  CONTENDERS,
  type Contender,
  checkout,
  type Lab,
  median,
  runWrk,
  startServers,
  startSluice,
  table,
  whole,
} from './lab.ts';

export type TlsOptions = {
  readonly rounds: number;
  readonly seconds: number;
  readonly only: readonly string[];
  readonly parts: readonly string[];
  readonly beside?: string;
};

const DEFAULTS: TlsOptions = {
  ...{ rounds: 2, seconds: 2, only: ['sluice', 'nginx', 'haproxy'] },
  parts: ['requests', 'handshakes', 'memory'],
};
const CLIENTS = 64;
const IDLE_CLIENTS = 2000;
const OPENING_AT_ONCE = 50;

type Measure = (proxy: Contender, seconds: number) => Promise<number>;

export async function run(options: TlsOptions = DEFAULTS): Promise<string> {
  const [wrk, openssl] = [findPeer('wrk'), findPeer('openssl')];
  if (wrk === undefined || openssl === undefined || findPeer('nginx') === undefined) {
    throw new Error('tls: wrk, openssl and nginx are needed; see .ci/run');
  }
  const sections: string[] = [];
  const isWanted = (part: string): boolean => options.parts.includes(part);
  if (isWanted('requests')) {
    for (const [title, bytes] of [
      ['small GET (12-byte answer)', 0],
      ['GET with a 16 kB answer', 16_384],
    ] as const) {
      sections.push(
        await compare(
          `${title}, ${CLIENTS} clients, requests`,
          bytes,
          options,
          ({ folder, prefix }) =>
            perCpuSecond(async ({ port }, seconds) => {
              const url = `https://127.0.0.1:${port}/`;
              const asked = { wrk, url, connections: CLIENTS, seconds, requests: '' };
              const { requests, errors } = await runWrk({ ...asked, folder, prefix });
              if (errors > 0) throw new Error(`${errors} errors`);
              return requests;
            }),
        ),
      );
    }
  }
  if (isWanted('handshakes')) {
    for (const [title, argv] of [
      ['handshakes in full, TLS 1.3', ['-new', '-tls1_3']],
      ['resumed handshakes, TLS 1.2', ['-reuse', '-tls1_2']],
    ] as const) {
      sections.push(
        await compare(title, 0, options, ({ prefix }) =>
          perCpuSecond(async ({ port }, seconds) => {
            const [command = '', ...before] = [...prefix, openssl];
            const asked = [
              's_time',
              '-connect',
              `127.0.0.1:${port}`,
              '-time',
              `${seconds}`,
              ...argv,
            ];
            const text = await output(command, [...before, ...asked]);
            return Number(/^(\d+) connections in \d+ real seconds/m.exec(text)?.[1] ?? Number.NaN);
          }),
        ),
      );
    }
  }
  if (isWanted('memory')) {
    const title = `memory of an idle client (of ${IDLE_CLIENTS}), bytes`;
    sections.push(await compare(title, 0, { ...options, rounds: 1 }, () => idleBytes));
  }
  return [
    'Processes, cores and turns as above; an EC certificate (P-256). Requests on kept connections, TLS 1.3 and AES-128-GCM; ' +
      '"per CPU-second" is of the data-plane process. ' +
      `${options.rounds} rounds of ${options.seconds} s each; medians.`,
    ...sections,
  ].join('\n\n');
}

function perCpuSecond(count: Measure): Measure {
  return async (proxy, seconds) => {
    const cpu = (): number => proxy.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
    const before = cpu();
    const done = await count(proxy, seconds);
    return done / (cpu() - before);
  };
}

/** The second half of them: with the first ones the heap grows, once. */
async function idleBytes({ port, pids }: Contender): Promise<number> {
  const [pid = 0] = pids;
  const sockets: TLSSocket[] = [];
  const open = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += OPENING_AT_ONCE) {
      const some = Array.from({ length: OPENING_AT_ONCE }, () => dial(port));
      sockets.push(...(await Promise.all(some)));
    }
    await sleep(1500);
  };
  try {
    await open(IDLE_CLIENTS / 2);
    const before = residentBytes(pid);
    await open(IDLE_CLIENTS / 2);
    return (residentBytes(pid) - before) / (IDLE_CLIENTS / 2);
  } finally {
    for (const socket of sockets) socket.destroy();
    await sleep(500);
  }
}

/** One that has asked once, and waits. */
function dial(port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // Without the post-quantum exchange, which nginx's OpenSSL has not: its keys stay as long as the connection.
    const options = { rejectUnauthorized: false, ecdhCurve: 'X25519' };
    const socket = connect({ host: '127.0.0.1', port, ...options });
    socket.once('error', reject);
    socket.once('data', () => resolve(socket));
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  });
}

async function compare(
  title: string,
  responseBytes: number,
  options: TlsOptions,
  measureOf: (lab: Pick<Lab, 'folder' | 'prefix'>) => Measure,
): Promise<string> {
  const cleanup = new Cleanup();
  try {
    const canPin = availableParallelism() > 1;
    const pin = (core: number): string[] => (canPin ? ['taskset', '-c', String(core)] : []);
    const base = { cleanup, folder: await temporaryFolder('bench', cleanup) };
    const servers = await startServers({ ...base, prefix: pin(1) }, responseBytes);
    const lab: Lab = { ...base, servers, prefix: pin(0), tls: certificate(base.folder) };
    const proxies: Contender[] = [];
    if (options.beside !== undefined) {
      proxies.push(await startSluice('before', lab, options.beside));
    }
    for (const name of options.only) {
      const proxy = await CONTENDERS[name]?.(lab);
      if (proxy === undefined) console.error(`tls: ${name} is not installed, left out`);
      else proxies.push(proxy);
    }
    const measure = measureOf({ folder: base.folder, prefix: pin(1) });
    const figures = new Map(proxies.map(({ name }) => [name, [] as number[]]));
    // What a warm-up leaves behind would be used again.
    const isMemory = title.startsWith('memory');
    if (!isMemory) for (const proxy of proxies) await measure(proxy, 1);
    for (let round = 0; round < options.rounds; round += 1) {
      for (const proxy of proxies) {
        figures.get(proxy.name)?.push(await measure(proxy, options.seconds));
      }
      const shown = [...figures].map(([name, all]) => `${name} ${whole(all.at(-1) ?? 0)}`);
      console.error(`  ${title}, round ${round + 1}: ${shown.join(', ')}`);
    }
    const ratio = (name: string): string => {
      const [own, nginx] = [figures.get(name) ?? [], figures.get('nginx') ?? []];
      return median(own.map((figure, at) => figure / (nginx[at] ?? Number.NaN))).toFixed(2);
    };
    const rows = [...figures].map(([name, all]) => [name, whole(median(all)), ratio(name)]);
    const unit = isMemory ? 'bytes' : 'per CPU-second';
    return `### ${title}\n\n${table([['proxy', unit, '× nginx'], ...rows])}`;
  } finally {
    await cleanup.run();
  }
}

function certificate(folder: string): NonNullable<Lab['tls']> {
  const [cert, key, both] = ['it.pem', 'it.key', 'both.pem'].map((name) => join(folder, name));
  if (cert === undefined || key === undefined || both === undefined) throw new Error('no paths');
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const files = ['-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=localhost', '-days', '2'];
  execFileSync('openssl', [...made, ...files, '-addext', 'subjectAltName=DNS:localhost'], {
    stdio: 'ignore',
  });
  writeFileSync(both, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'));
  return { cert, key, both };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: String(DEFAULTS.rounds) },
      seconds: { type: 'string', default: String(DEFAULTS.seconds) },
      only: { type: 'string', default: DEFAULTS.only.join(',') },
      parts: { type: 'string', default: DEFAULTS.parts.join(',') },
      beside: { type: 'string' },
    },
  });
  const cleanup = new Cleanup();
  try {
    const { rounds, seconds, only, parts, beside } = values;
    const text = await run({
      ...{ rounds: Number(rounds), seconds: Number(seconds) },
      ...{ only: only.split(','), parts: parts.split(',') },
      ...(beside === undefined ? {} : { beside: await checkout(beside, cleanup) }),
    });
    console.log(text);
  } finally {
    await cleanup.run();
  }
}
