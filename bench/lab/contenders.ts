// The proxies under test, each started with one data-plane process in front of the same servers:
// keep-alive on both sides with room for every connection in the pool, nothing else configured.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cleanup, listening, type Ports, Stack, start } from '../../demo/stack.ts';
import { freePorts } from '../../test/support/base/ports.ts';
import { findPeer } from '../../test/support/peers/programs.ts';
import { startNginx } from './nginx.ts';

export type Contender = {
  readonly name: string;
  readonly port: number;
  /** The processes that carry the traffic. */
  readonly pids: readonly number[];
  /** Beside them: Sluice's primary, whose cost is told apart. */
  readonly controlPid?: number;
};

export type Lab = {
  readonly cleanup: Cleanup;
  readonly folder: string;
  /** Put before a proxy's command, for instance to pin it to a core. */
  readonly prefix: readonly string[];
  /** Where the fixed servers listen. */
  readonly servers: readonly number[];
  /** Sluice and nginx write an access log, in the way that each does it best. */
  readonly accessLog?: boolean;
  /** Clients come by TLS: paths of PEM files. `both`: certificate and key in one, as haproxy wants them. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly both: string };
};

/** Idle server connections that nginx keeps: as many as the most clients of a load. */
const KEEPALIVE = 1000;

/** The proxies that can be started here; undefined when a program is not installed. */
export const CONTENDERS: Readonly<Record<string, (lab: Lab) => Promise<Contender | undefined>>> = {
  sluice: (lab) => startSluice('sluice', lab),
  // nginx reads a whole body before it calls a server; the others, and Sluice, stream it.
  nginx: (lab) => startProxy('nginx', 'client_body_buffer_size 128k;', lab),
  'nginx-streaming': (lab) => startProxy('nginx-streaming', 'proxy_request_buffering off;', lab),
  haproxy: startHaproxy,
  'http-proxy-3': (lab) => startScript('http-proxy-3', lab),
  'fast-proxy': (lab) => startScript('fast-proxy', lab),
  undici: (lab) => startScript('undici', lab),
  'undici-proxy': (lab) => startScript('undici-proxy', lab),
  'node-relay': (lab) => startScript('node-relay', lab),
};

/** `project` is another checkout, to compare with. */
export async function startSluice(name: string, lab: Lab, project?: string): Promise<Contender> {
  const stack = await Stack.start({
    cleanup: lab.cleanup,
    folder: join(lab.folder, name),
    prefix: lab.prefix,
    ...(project === undefined ? {} : { project }),
    config: (ports) => `
${basicConfig(ports, lab.tls)}limits: { keepalive_requests: 1000000000 }
proxy: { access_log: ${lab.accessLog === true ? 'access.log' : 'off'} }
upstreams:
  app: { registry: off, servers: [${lab.servers.map((port) => `127.0.0.1:${port}`).join(', ')}] }
`,
  });
  const { workers } = await stack.status();
  return {
    name,
    port: stack.ports.gateway,
    pids: workers.map(({ pid }) => pid),
    controlPid: stack.pid,
  };
}

async function startProxy(name: string, body: string, lab: Lab): Promise<Contender | undefined> {
  const servers = lab.servers.map((server) => `server 127.0.0.1:${server};`).join(' ');
  const { tls } = lab;
  // A cache and tickets, as everybody has them.
  const ssl =
    tls === undefined
      ? ''
      : ` ssl; ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key}; ssl_protocols TLSv1.2 TLSv1.3;
      ssl_session_cache shared:tls:10m; ssl_session_timeout 4h`;
  const found = await nginx(
    lab,
    name,
    (listen) => `upstream app { ${servers} keepalive ${KEEPALIVE}; keepalive_requests 1000000000; }
    server { listen 127.0.0.1:${listen}${ssl}; location / { ${body}
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr; } }`,
  );
  return found && { name, port: found.port, pids: found.workers };
}

/** The fixed servers behind every proxy: two nginx listeners that answer from memory. */
export async function startServers(
  lab: Omit<Lab, 'servers'>,
  bodyBytes: number,
): Promise<number[]> {
  const [second = 0] = await freePorts(1);
  // nginx takes at most 4 kB in one word: longer bodies are a variable, repeated.
  const body = bodyBytes === 0 ? 'hello world\\n' : '$k'.repeat(bodyBytes / 1024);
  const answer = `set $k "${'x'.repeat(1024)}"; return 200 "${body}";`;
  const found = await nginx(
    { ...lab, servers: [], accessLog: false },
    `servers-${bodyBytes}`,
    (listen) =>
      [listen, second]
        .map((port) => `server { listen 127.0.0.1:${port}; location / { ${answer} } }`)
        .join('\n'),
  );
  if (found === undefined)
    throw new Error('nginx is not installed: no fixed servers to measure with');
  return [found.port, second];
}

async function nginx(
  lab: Lab,
  name: string,
  http: (port: number) => string,
): Promise<{ readonly port: number; readonly workers: readonly number[] } | undefined> {
  const [port = 0] = await freePorts(1);
  const { folder, cleanup, prefix } = lab;
  const log = lab.accessLog
    ? `access_log ${join(folder, `${name}-access.log`)} combined buffer=64k flush=1s;`
    : 'access_log off;';
  const text = `${log} keepalive_timeout 600s; ${http(port)}`;
  const workers = await startNginx({ folder, name, cleanup, prefix, port, http: text });
  return workers && { port, workers };
}

async function startHaproxy(lab: Lab): Promise<Contender | undefined> {
  const program = findPeer('haproxy');
  if (program === undefined) return undefined;
  const [port = 0] = await freePorts(1);
  const file = join(lab.folder, 'haproxy.cfg');
  await writeFile(
    file,
    `global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout client 600s
  timeout server 60s
  timeout connect 5s
  timeout http-keep-alive 600s
  option forwardfor
  http-reuse always
frontend in
  bind 127.0.0.1:${port}${lab.tls === undefined ? '' : ` ssl crt ${lab.tls.both} alpn http/1.1`}
  default_backend app
backend app
  balance roundrobin
${lab.servers.map((server, at) => `  server s${at} 127.0.0.1:${server}`).join('\n')}
`,
  );
  const [command = '', ...argv] = [...lab.prefix, program, '-db', '-f', file];
  const child = start(command, argv);
  lab.cleanup.add(() => child.stop());
  await listening(port, child);
  return { name: 'haproxy', port, pids: [child.pid] };
}

async function startScript(name: string, lab: Lab): Promise<Contender> {
  const [port = 0] = await freePorts(1);
  const script = join(import.meta.dirname, `../peers/${name}.ts`);
  const servers = lab.servers.map(String);
  const [command = '', ...argv] = [
    ...lab.prefix,
    process.execPath,
    script,
    String(port),
    ...servers,
  ];
  const child = start(command, argv, { env: { NODE_ENV: 'production' } });
  lab.cleanup.add(() => child.stop());
  await listening(port, child);
  return { name, port, pids: [child.pid] };
}

/** How every Sluice under test starts: one worker, everything on free ports, little logging. */
export function basicConfig({ gateway, admin, registry }: Ports, tls?: Lab['tls']): string {
  return `state_dir: state
workers: 1
log_level: warn
listen: [{ address: "127.0.0.1:${gateway}"${tls === undefined ? '' : `, tls: { certificates: [{ cert: ${tls.cert}, key: ${tls.key} }] }`} }]
admin: { listen: 127.0.0.1:${admin} }
registry: { embedded: { listen: 127.0.0.1:${registry} } }
`;
}
