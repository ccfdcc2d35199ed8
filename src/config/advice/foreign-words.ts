// What people write who come from nginx, HAProxy, Consul, systemd and others, and what it is called
// here. By place (the map in which the word stood, '*' = any); a word is looked up in lower case
// with underscores, so `ExecStart` is `exec_start`.

import { BALANCES } from '../../model.ts';
import { KINDS_ADVICE } from '../sections/registry.ts';

const TLS =
  'it is of a listener: write listen: [{ address: 0.0.0.0:443, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } }]';
const SERVER_TLS = 'write tls: {} in the upstream, with ca and server_name where they are needed';
const ADDRESS = 'write address: host:port, like address: 10.0.0.1:9001';
const CHECK = 'write check: { path: /ping } in the upstream';
const CONSUL = 'write registry: { consul: { addresses: 127.0.0.1:8500 } }';
const ROUTES = 'write routes: [{ path: /, upstream: app }]';
const SERVERS = 'write upstreams: { app: { servers: [127.0.0.1:9001] } }';
const FOREGROUND = '"sluice serve" stays in the foreground as the user that starts it; remove it';
const NOT_HERE = 'there is nothing like it here; remove it';

type Words = { readonly [word: string]: string };

const ANYWHERE: Words = {
  ...every(
    ['tls', 'ssl', 'https', 'certificate', 'cert', 'ssl_certificate', 'ssl_certificate_key', 'crt'],
    TLS,
  ),
  ...every(['proxy_ssl', 'ssl_verify', 'verify', 'tls_skip_verify'], SERVER_TLS),
  proxy_ssl_verify: 'write tls: { verify: on } in the upstream',
  ...every(
    ['proxy_ssl_name', 'proxy_ssl_server_name'],
    'write tls: { server_name: app.internal } in the upstream',
  ),
  proxy_ssl_trusted_certificate: 'write tls: { ca: ca.pem } in the upstream',
  ...every(
    ['proxy_ssl_certificate', 'proxy_ssl_certificate_key'],
    'write tls: { cert: us.pem, key: us.key } in the upstream',
  ),
  proxy_ssl_protocols: 'write tls: { min_version: "1.2" } in the upstream',
  ssl_protocols: 'write min_version: "1.2" in the tls of a listener',
  proxy_pass: `${SERVERS} and ${ROUTES.replace('write ', '')}`,
  server_name: 'write host in a route: routes: [{ host: app.example, upstream: app }]',
  ...every(['location', 'locations', 'acl', 'use_backend', 'default_backend'], ROUTES),
  proxy_read_timeout: 'write timeouts: { response_timeout: 60s, read_timeout: 60s }',
  proxy_connect_timeout: 'write timeouts: { connect_timeout: 5s }',
  proxy_send_timeout: 'write timeouts: { upstream_send_timeout: 60s }',
  proxy_next_upstream_tries: 'write proxy: { tries: 2 }',
  proxy_next_upstream_timeout: 'write proxy: { tries_timeout: 5s }',
  proxy_next_upstream: 'write proxy: { tries: 2 }; what may be tried again is fixed',
  ...every(['keepalive', 'keepalive_connections'], 'write limits: { upstream_keepalive: 64 }'),
  large_client_header_buffers: 'write limits: { max_head_size: 32k }',
  ...every(
    ['set_real_ip_from', 'real_ip_header', 'real_ip_recursive', 'forwardfor'],
    'write proxy: { trusted_proxies: [10.0.0.0/8] }',
  ),
  ...every(
    ['option', 'httpchk', 'http_check', 'health_check', 'healthcheck', 'health', 'check_http_send'],
    CHECK,
  ),
  check_http_expect_alive: 'write check: { path: /ping, expect: [http_2xx, http_3xx] }',
  ...every(['least_conn', 'leastconn'], 'write balance: least_conn in the upstream'),
  ...every(['roundrobin', 'round_robin'], 'round robin is the default; remove it'),
  ip_hash: 'write balance: ip_hash in the upstream',
  hash: 'write balance: hash in the upstream, and hash_key: path',
  sticky: 'write sticky: { cookie: sluice } in the upstream',
  random: 'write balance: random_two in the upstream',
  ...every(['least_time', 'fair'], 'write balance: least_time in the upstream'),
  zone: NOT_HERE,
  ...every(
    ['rewrite', 'gzip', 'add_header', 'proxy_set_header', 'proxy_cache', 'limit_req', 'root'],
    NOT_HERE,
  ),
  ...every(['return', 'index', 'try_files', 'auth_basic', 'proxy_buffering', 'include'], NOT_HERE),
  ...every(['user', 'group', 'daemon', 'pid', 'pidfile', 'chroot'], FOREGROUND),
};

const BY_PLACE: { readonly [place: string]: Words } = {
  '': {
    server: `write listen: 127.0.0.1:8080, and for its locations ${ROUTES.replace('write ', '')}`,
    ...every(['backend', 'backends', 'cluster', 'clusters', 'pool', 'pools'], SERVERS),
    ...every(['frontend', 'bind', 'port', 'address'], 'write listen: 127.0.0.1:8080'),
    ...every(
      ['gateway', 'http', 'global', 'defaults'],
      'what is in it stands at the top here: listen, limits, timeouts, proxy',
    ),
    ...every(['events', 'worker_rlimit_nofile', 'stream'], NOT_HERE),
    ...every(['worker_processes', 'nbproc', 'nbthread', 'threads'], 'write workers: auto'),
    ...every(['worker_connections', 'maxconn'], 'write limits: { max_connections: 10000 }'),
    ...every(['error_log', 'log', 'logging', 'logs'], 'write log_level: info; lines go to stderr'),
    ...every(['consul', 'upsync', 'discovery', 'service_discovery'], CONSUL),
    etcd: 'write registry: { etcd: { addresses: 127.0.0.1:2379 } }',
    ...every(['upsync_dump_path', 'data_dir', 'datadir'], 'write state_dir: .sluice'),
    ...every(['control', 'api', 'dashboard', 'stats'], 'write admin: { listen: 127.0.0.1:8700 }'),
    ...every(
      ['service', 'exec_start'],
      'write services: { app: { instances: [127.0.0.1:9001], start: [node, app.js] } }',
    ),
  },
  'upstreams.<name>': {
    ...every(
      ['backend', 'backends', 'targets', 'nodes', 'members', 'hosts'],
      'write servers: [127.0.0.1:9001]',
    ),
    ...every(
      ['upsync', 'consul', 'upsync_type'],
      'write registry: on here, and at the top registry: { consul: { addresses: 127.0.0.1:8500 } }',
    ),
    ...every(
      ['algorithm', 'lb_policy', 'policy', 'method', 'strategy'],
      `write balance and one of ${Object.keys(BALANCES).join(', ')}`,
    ),
    ...every(
      ['health', 'healthcheck', 'health_check', 'option', 'httpchk'],
      'write check: { path: /ping }',
    ),
    slowstart: 'write slow_start: 30s',
  },
  'upstreams.<name>.tls': {
    ...every(['sni', 'name', 'servername'], 'write server_name: app.internal'),
    ...every(['ca_file', 'cafile', 'trusted_ca', 'root_ca'], 'write ca: ca.pem'),
    ...every(['insecure_skip_verify', 'insecure', 'skip_verify'], 'write verify: off'),
    ...every(['certificates', 'certificate'], 'write cert: us.pem and key: us.key'),
  },
  'upstreams.<name>.servers[]': {
    ...every(
      ['tls', 'ssl', 'https', 'scheme', 'proto'],
      'TLS is of the upstream: write tls: {} beside servers',
    ),
    ...every(['host', 'ip', 'port', 'server', 'url', 'id', 'hostname'], ADDRESS),
    ...every(['maxconn', 'max_connections'], 'write max_conns: 100'),
    ...every(['disabled', 'drain', 'maint'], 'write down: on'),
    ...every(
      ['check', 'inter', 'rise', 'fall'],
      'checks are of the upstream: write check: { path: /ping } beside servers',
    ),
    slow_start: 'it is of the upstream: write slow_start beside servers',
  },
  'upstreams.<name>.check': checkWords(),
  'services.<name>.check': checkWords(),
  'listen[]': {
    ...every(['ssl', 'https'], 'write tls: { certificates: [{ cert: cert.pem, key: key.pem }] }'),
    ...every(['host', 'port', 'bind', 'listen'], 'write address: 0.0.0.0:443'),
    ...every(['redirect', 'return', 'redirect_scheme'], 'write redirect_to_https: on'),
  },
  'listen[].tls': {
    ...every(
      ['cert', 'key', 'certificate', 'ssl_certificate', 'crt'],
      'write certificates: [{ cert: cert.pem, key: key.pem }]',
    ),
    ...every(['ssl_protocols', 'protocols', 'version', 'versions'], 'write min_version: "1.2"'),
    ...every(
      ['ca', 'ssl_client_certificate', 'ca_file', 'client_certificates'],
      'write client_ca: ca.pem',
    ),
    ...every(['ssl_verify_client', 'verify', 'client_auth'], 'write client_certificate: optional'),
    ...every(
      ['ciphers', 'ssl_ciphers'],
      'the ciphers are fixed: those that are held for safe; remove it',
    ),
    ...every(['strict_transport_security'], 'write hsts: max-age=31536000'),
  },
  'routes[]': {
    ...every(['backend', 'proxy_pass', 'service', 'target', 'to'], 'write upstream: app'),
    ...every(['prefix', 'location', 'uri', 'url', 'match'], 'write path: /'),
    ...every(['domain', 'hostname', 'server_name'], 'write host: app.example'),
  },
  'services.<name>': {
    ...every(
      ['exec_start', 'command', 'cmd', 'exec', 'run', 'entrypoint', 'script'],
      'write start: [node, app.js]',
    ),
    ...every(['working_directory', 'workdir', 'dir', 'directory'], 'write cwd: /srv/app'),
    ...every(['environment', 'environment_file', 'envs'], 'write env: { NAME: value }'),
    ...every(
      ['timeout_stop_sec', 'kill_timeout', 'stop_grace_period'],
      'write stop: { timeout: 30s }',
    ),
    ...every(
      ['servers', 'ports', 'replicas', 'port', 'addresses'],
      'write instances: [127.0.0.1:9001]',
    ),
    ...every(
      ['exec_stop', 'exec_reload', 'kill_signal', 'stop_signal'],
      'write stop: { signal: TERM }',
    ),
    ...every(['restart', 'restart_sec', 'type'], 'write supervise: on'),
    ...every(
      ['image', 'build', 'container_name', 'volumes'],
      'services here are local commands, not containers; write start: [node, app.js]',
    ),
  },
  'registry.consul': {
    ...every(['ssl', 'https', 'scheme'], 'write https:// in front of the addresses, or tls: { … }'),
    ...every(['ca_file', 'cacert', 'ca'], 'write tls: { ca: ca.pem }'),
    ...every(['cert_file', 'key_file', 'cert', 'key'], 'write tls: { cert: …, key: … }'),
    ...every(['dc', 'data_center'], 'write datacenter: dc1'),
    ...every(
      ['address', 'addr', 'host', 'url', 'server', 'servers', 'listen'],
      'write addresses: 127.0.0.1:8500',
    ),
    ...every(['acl_token', 'http_token'], 'write token: env:CONSUL_HTTP_TOKEN'),
    ...every(['acl_token_file', 'http_token_file'], 'write token_file: /path'),
    prefix: 'it is beside consul: registry: { prefix: upstreams/, consul: { … } }',
  },
  registry: {
    ...every(
      ['address', 'addresses', 'url', 'server', 'servers'],
      'write consul: { addresses: 127.0.0.1:8500 }',
    ),
    ...every(
      ['listen', 'port', 'data_dir'],
      'it is of our own store: write embedded: { listen: 127.0.0.1:8500 }',
    ),
    ...every(['type', 'kind', 'backend'], `write ${KINDS_ADVICE}`),
  },
  admin: {
    ...every(['port', 'address', 'bind', 'host'], 'write listen: 127.0.0.1:8700'),
    ...every(['password', 'secret', 'auth'], 'write token: env:SLUICE_TOKEN'),
  },
};

function checkWords(): Words {
  return {
    ...every(['uri', 'url', 'endpoint', 'http', 'request'], 'write path: /ping'),
    ...every(['passes', 'healthy_threshold', 'success_threshold'], 'write rise: 2'),
    ...every(['fails', 'retries', 'unhealthy_threshold', 'failure_threshold'], 'write fall: 3'),
    ...every(['status', 'match', 'expected', 'codes', 'status_code'], 'write expect: [http_2xx]'),
    ...every(['method', 'body'], 'the request is GET; write send: for another'),
    ...every(['header', 'fields'], 'write headers: { x-name: value }'),
    ...every(['inter', 'period', 'interval_ms'], 'write interval: 1s'),
  };
}

function every(words: readonly string[], advice: string): Words {
  return Object.fromEntries(words.map((word) => [word, advice]));
}

/** What to write instead of a word of another program; undefined when it is none that we know. */
export function foreignWord(word: string, place: string): string | undefined {
  const plain = word
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toLowerCase();
  for (const words of [BY_PLACE[place], ANYWHERE]) {
    if (words !== undefined && Object.hasOwn(words, plain)) return words[plain];
  }
  return undefined;
}

/** An advice that says `write KEY: …` puts that key in the place of the word. */
export function keyMeant(advice: string): string | undefined {
  return /\bwrite (\w+):/.exec(advice)?.[1];
}
