// What is asked of a host first: whose shell it is, what its programs inherit, what it lacks.

import { withArguments } from './quote.ts';

/** Every script needs them; `flock` and `sync` are used where they are. */
const PROGRAMS = [
  ...['awk', 'cat', 'date', 'env', 'grep', 'head', 'id', 'ls', 'mkdir', 'mkfifo', 'mv', 'readlink'],
  ...['rm', 'sed', 'setsid', 'sleep', 'sort', 'stat', 'tail', 'timeout', 'tr'],
];
/** PATH is part of it: programs are looked for as its user's shell does. */
const VARIABLES = ['HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TZ', 'TMPDIR', 'PATH'];

export type HostFacts = {
  readonly user: string;
  readonly uid: number;
  readonly environment: Readonly<Record<string, string>>;
  /** Its own addresses, those of IPv4. */
  readonly addresses: ReadonlySet<string>;
  /** Why it cannot be a host; '' when it can. */
  readonly problem: string;
};

export const FACTS = withArguments(
  `printf '%s\\0' "$(id -un 2>/dev/null)" "$(id -u)"
m=; for p; do command -v "$p" >/dev/null || m="$m $p"; done
[ -r /proc/self/stat ] || m=/proc
printf '%s\\0' "$m" "$(awk '/32 host LOCAL/ { print p } { p = $2 }' /proc/net/fib_trie 2>/dev/null)"
${VARIABLES.map((name) => `printf '%s\\0' "${name}=$${name}"`).join('\n')}`,
  PROGRAMS,
);

export function readFacts(output: string): HostFacts {
  const [user = '', uid = '', missing = '', addresses = '', ...variables] = output.split('\0');
  const entries = variables.flatMap((text): [string, string][] => {
    const at = text.indexOf('=');
    return at > 0 && at < text.length - 1 ? [[text.slice(0, at), text.slice(at + 1)]] : [];
  });
  return {
    user,
    uid: Number(uid),
    environment: Object.fromEntries(entries),
    addresses: new Set(addresses.split('\n').filter(Boolean)),
    problem:
      missing === '/proc'
        ? 'has no /proc; only Linux hosts can be released on'
        : missing === ''
          ? ''
          : `lacks programs that every release needs:${missing}`,
  };
}
