// What people type who come from systemctl, nginx, haproxy, consul and docker, and which verb does it
// here. Said after "unknown command"; no verb is run on a guess.

const SERVE = '"sluice serve" runs the gateway, in the foreground';
const STOP =
  'send TERM to the "sluice serve" process, or stop its unit: it finishes what is in flight, for up to shutdown_timeout';
const RESTART = 'stop the "sluice serve" process with TERM and start it again';
const CHECK = '"sluice check" checks the configuration';
const OUT =
  '"sluice drain UPSTREAM SERVER" takes a server out, "sluice maint" stops its checks too';
const BACK = '"sluice undrain UPSTREAM SERVER" puts a server back';
const STATUS = '"sluice status" shows servers and their states';
const DEPLOY = '"sluice deploy SERVICE --version V" releases a version, "sluice plan" shows how';
const PUT = '"sluice kv put KEY VALUE" writes a record';
const RM = '"sluice kv rm KEY" removes a record';

type Words = { readonly [word: string]: string };

const VERBS: Words = {
  ...every(
    ['start', 'run', 'up', 'server', 'daemon', 'listen', 'agent', 'gateway', 'proxy'],
    SERVE,
  ),
  ...every(['down', 'quit', 'kill', 'shutdown', 'exit'], STOP),
  ...every(['reload', 'restart', 'hup'], RESTART),
  ...every(['test', 'validate', 'lint', 'configtest', 'verify', 'config'], CHECK),
  ...every(['disable', 'out', 'remove-server', 'detach', 'cordon'], OUT),
  ...every(['enable', 'ready', 'up-server', 'uncordon', 'activate', 'undrained'], BACK),
  ...every(['ps', 'list', 'ls', 'info', 'top', 'stats', 'members', 'servers', 'upstreams'], STATUS),
  ...every(['release', 'upgrade', 'rollout', 'update', 'publish', 'apply'], DEPLOY),
  ...every(
    ['revert', 'undo'],
    '"sluice rollback SERVICE -m WHY" goes back to the version that served before',
  ),
  ...every(['set', 'put', 'add', 'register', 'join', 'write'], PUT),
  ...every(['rm', 'delete', 'del', 'deregister', 'remove', 'leave'], RM),
  get: '"sluice kv get KEY" prints a record',
  ...every(['reopen', 'logrotate'], 'USR1 to the "sluice serve" process reopens the access log'),
  log: '"sluice logs SERVICE" shows what instances print; "sluice serve" logs to standard error',
  ...every(['consul', 'store'], '"sluice registry" runs the registry alone'),
};

const KV_VERBS: Words = {
  ...every(['set', 'add', 'write', 'create', 'update', 'register'], PUT),
  ...every(['delete', 'del', 'remove', 'unset', 'deregister'], RM),
  ...every(['list', 'keys', 'scan', 'dir', 'tree'], '"sluice kv ls PREFIX" lists records'),
  ...every(['read', 'show', 'cat', 'export'], '"sluice kv get KEY" prints a record'),
};

const OPTIONS: Words = {
  '-v': '-V or --version prints the version',
  '-t': CHECK,
  '-T': CHECK,
  '-s': `to stop, ${STOP}; to reload, ${RESTART}`,
  '-f': '-c names the configuration',
  '--file': '-c names the configuration',
  '--conf': '-c names the configuration',
  '-p': 'addresses stand in the configuration; -c names it',
  '--port': 'addresses stand in the configuration; -c names it',
  '-d': SERVE,
  '--daemon': SERVE,
  '-D': SERVE,
};

/** What to use instead of a command that does not exist; '' when it is no word that we know. */
export function verbAdvice(word: string, parent: string): string {
  const words = parent.endsWith(' kv') ? KV_VERBS : VERBS;
  return Object.hasOwn(words, word) ? (words[word] ?? '') : '';
}

export function optionAdvice(option: string): string {
  return Object.hasOwn(OPTIONS, option) ? (OPTIONS[option] ?? '') : '';
}

function every(words: readonly string[], advice: string): Words {
  return Object.fromEntries(words.map((word) => [word, advice]));
}
