// The words behind `consul agent`, as Consul's own program takes them: `-name value`, `-name=value`,
// one hyphen or two, and flags without a value. Pure.

/** Flags that mean something here, by how they are written. */
const TEXTS = {
  'config-file': 'configFile',
  'config-dir': 'configDir',
  'config-format': 'configFormat',
  bind: 'bind',
  client: 'client',
  node: 'node',
  'node-id': 'nodeId',
  'node-meta': 'nodeMeta',
  datacenter: 'datacenter',
  'data-dir': 'dataDir',
  'http-port': 'httpPort',
  'log-level': 'logLevel',
  'pid-file': 'pidFile',
} as const;
const SWITCHES = {
  dev: 'dev',
  'enable-script-checks': 'scripts',
  'enable-local-script-checks': 'localScripts',
} as const;
/** What a cluster of Consul needs and one server does not. */
const NOT_NEEDED_SWITCHES = new Set([
  ...['server', 'bootstrap', 'ui', 'rejoin', 'syslog', 'disable-host-node-id', 'log-json'],
  ...['disable-keyring-file', 'non-voting-server'],
]);
const NOT_NEEDED_TEXTS = new Set([
  ...['bootstrap-expect', 'advertise', 'advertise-wan', 'serf-lan-bind', 'serf-wan-bind'],
  ...['serf-lan-port', 'serf-wan-port', 'server-port', 'grpc-port', 'dns-port', 'https-port'],
  ...['encrypt', 'join', 'join-wan', 'retry-join', 'retry-join-wan', 'retry-interval'],
  ...['retry-max', 'protocol', 'raft-protocol', 'domain', 'recursor', 'segment', 'ui-dir'],
  ...['hcl', 'log-file', 'log-rotate-bytes', 'log-rotate-duration', 'log-rotate-max-files'],
  ...['primary-gateway', 'ui-content-path', 'default-query-time', 'max-query-time'],
]);

export type TextFlag = (typeof TEXTS)[keyof typeof TEXTS];
export type SwitchFlag = (typeof SWITCHES)[keyof typeof SWITCHES];

export type AgentFlags = {
  /** Each with its values in order. */
  readonly texts: Readonly<Partial<Record<TextFlag, readonly string[]>>>;
  readonly switches: ReadonlySet<SwitchFlag>;
  /** What was given and does nothing here. */
  readonly ignored: readonly string[];
};

/** The flags, or what is wrong with them. */
export function parseAgentFlags(words: readonly string[]): AgentFlags | { readonly wrong: string } {
  const texts: Partial<Record<TextFlag, string[]>> = {};
  const switches = new Set<SwitchFlag>();
  const ignored: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const [, name, given] = /^--?([a-z][a-z-]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined) return { wrong: `${word}: not a flag; write -name or -name=value` };
    const isSwitch = isOf(SWITCHES, name) || NOT_NEEDED_SWITCHES.has(name);
    if (!isSwitch && !isOf(TEXTS, name) && !NOT_NEEDED_TEXTS.has(name)) {
      return { wrong: `-${name}: unknown flag; see docs/consul-compatibility.md` };
    }
    const value = isSwitch ? (given ?? 'true') : (given ?? words[++at]);
    if (value === undefined) return { wrong: `-${name}: a value is missing` };
    if (isOf(SWITCHES, name)) {
      if (value !== 'false') switches.add(SWITCHES[name]);
    } else if (isOf(TEXTS, name)) {
      const field = TEXTS[name];
      texts[field] = [...(texts[field] ?? []), value];
    } else ignored.push(`-${name}`);
  }
  return { texts, switches, ignored };
}

function isOf<Table extends object>(table: Table, name: string): name is keyof Table & string {
  return Object.hasOwn(table, name);
}
