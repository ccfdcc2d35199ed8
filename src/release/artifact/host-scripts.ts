// What is done on a host, as scripts for any POSIX shell; they get their values as arguments and the
// archive on stdin. Exit codes say what went wrong; what is said about it is in stage.ts.

import type { Command, CommandEnd, Host, HostClaim } from '../hosts.ts';

/** Where tar, gzip and the rest are on any system; a host's own setting is not asked for. */
const PATH = '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin';

/** 127 too: a program that a script needs is not there. */
export const EXIT = {
  isNoFolder: 10,
  linkIsNone: 11,
  notOurs: 12,
  noProgram: 13,
  notReceived: 20,
  otherBytes: 21,
  notUnpacked: 22,
  notShared: 23,
  notNamed: 24,
} as const;

export function runScript(
  host: Host,
  script: string,
  args: readonly string[],
  options: {
    readonly timeoutMs: number;
    readonly stdin?: Command['stdin'];
    readonly claim?: HostClaim | undefined;
  },
): Promise<CommandEnd> {
  const { timeoutMs, stdin, claim } = options;
  // Systems that keep their programs elsewhere: of this machine we know where.
  const path = host.isLocal ? `${process.env['PATH'] ?? ''}:${PATH}` : PATH;
  const command = { file: '/bin/sh', args: ['-c', script, 'sh', ...args], cwd: '/', claim };
  const env = { PATH: path, LC_ALL: 'C' };
  return host.run({ ...command, env, ...(stdin === undefined ? {} : { stdin }) }, timeoutMs);
}

/**
 * Makes the folders, removes what dead runs have left, and says `have`, or how many KB are free. Two
 * hosts of a release may be one machine: what the run itself unpacks is no left-over.
 * Arguments: path, release, checksum, format, run, links.
 */
export const LOOK = `umask 022
mkdir -p "$1/releases" "$1/shared" || exit ${EXIT.isNoFolder}
[ -w "$1/releases" ] || { echo "$1/releases: not writable" >&2; exit ${EXIT.isNoFolder}; }
for t in "$1"/releases/*.tmp "$1"/releases/*.tmp.tar; do
  case $t in *".$5-"*) ;; *) rm -rf "$t";; esac
done
path=$1; own=$1/releases/$2; sum=$3
needs='tar mv ln df'
case $4 in gzip) needs="$needs gzip";; zstd) needs="$needs zstd";; esac
for p in $needs; do command -v $p >/dev/null || { echo $p; exit ${EXIT.noProgram}; }; done
command -v sha256sum >/dev/null || command -v shasum >/dev/null || { echo sha256sum; exit ${EXIT.noProgram}; }
shift 5
for l; do
  [ -L "$path/$l" ] || [ ! -e "$path/$l" ] || { echo "$path/$l"; exit ${EXIT.linkIsNone}; }
done
if [ -e "$own" ]; then
  [ "$(cat "$own/.sluice-artifact" 2>/dev/null)" = "$sum" ] || { echo "$own"; exit ${EXIT.notOurs}; }
  touch "$own/.sluice-artifact"; echo have; exit 0
fi
df -Pk "$path" | { read -r _; read -r _ _ _ free _; echo "free $free"; }
`;

/**
 * Receives the archive, compares its checksum, unpacks it, links what is shared, and gives the folder
 * its name at the very end. Arguments: path, release, checksum of the content, of the archive, its
 * format, a name for this run on this host, the user of the instances ('' = ours), what is shared.
 */
export const UNPACK = `umask 022
path=$1; own=$1/releases/$2; tmp=$1/releases/$2.$6.tmp; sum=$3; archive=$4; format=$5; user=$7
shift 7
end() { code=$1; rm -rf "$tmp" "$tmp.tar"; exit "$code"; }
trap 'end 1' HUP INT TERM
rm -rf "$tmp" "$tmp.tar"
cat >"$tmp.tar" || end ${EXIT.notReceived}
if command -v sha256sum >/dev/null; then got=$(sha256sum <"$tmp.tar"); else got=$(shasum -a 256 <"$tmp.tar"); fi
[ "\${got%% *}" = "$archive" ] || end ${EXIT.otherBytes}
mkdir "$tmp" || end ${EXIT.notUnpacked}
case $format in
  gzip) gzip -dc <"$tmp.tar" | tar -xof - -C "$tmp";;
  zstd) zstd -dcq <"$tmp.tar" | tar -xof - -C "$tmp";;
  *) tar -xof "$tmp.tar" -C "$tmp";;
esac || end ${EXIT.notUnpacked}
rm -f "$tmp.tar"
chmod u+rwx "$tmp"
for s; do
  in=$tmp/$s; all=$path/shared/$s
  if [ ! -e "$all" ]; then
    mkdir -p "\${all%/*}" || end ${EXIT.notShared}
    if [ ! -e "$in" ] || [ -L "$in" ]; then
      rm -rf "$in"; mkdir -p "\${in%/*}" && mkdir "$in" || end ${EXIT.notShared}
    fi
    # The instances write there; who is not root cannot give it to them. Before it has its place: the next
    # release would take it as it is.
    if [ -n "$user" ] && [ "$(id -u)" = 0 ]; then chown -R "$user" "$in" || end ${EXIT.notShared}; fi
    mv -T "$in" "$all" || [ -e "$all" ] || end ${EXIT.notShared}
  fi
  rm -rf "$in"
  mkdir -p "\${in%/*}" && ln -s "$all" "$in" || end ${EXIT.notShared}
done
rm -rf "$tmp/.sluice-artifact" "$tmp/.sluice-bad"
printf '%s\\n' "$sum" >"$tmp/.sluice-artifact" || end ${EXIT.notUnpacked}
mv -T "$tmp" "$own" && exit 0
[ "$(cat "$own/.sluice-artifact" 2>/dev/null)" = "$sum" ] || end ${EXIT.notNamed}
end 0
`;

/** Removes what one try has left. Arguments: path, release, its name. */
export const CLEAN_UP = `rm -rf "$1/releases/$2.$3.tmp" "$1/releases/$2.$3.tmp.tar"`;

/**
 * Removes what uploads have left that were cut off, and says how many and how many are younger: they may
 * be under way. Arguments: path, minutes that an upload may take.
 */
export const SWEEP = `cd "$1/releases" 2>/dev/null || { echo 0 0; exit 0; }
old=0; young=0
for t in *.tmp *.tmp.tar; do
[ -e "$t" ] || continue
base=\${t%.tar}
if [ -n "$(find "$base" "$base.tar" -prune -mmin "-$2" 2>/dev/null)" ]; then young=$((young + 1)); continue; fi
rm -rf "$t" && old=$((old + 1))
done
echo "$old $young"
`;

/** Leads the link to a version, at once. Arguments: path, link, release. */
export const SWITCH = `cd "$1" || exit 1
[ -d "releases/$3" ] || { echo "$1/releases/$3 is gone" >&2; exit 1; }
rm -f "$2.tmp" && ln -s "releases/$3" "$2.tmp" && mv -fT "$2.tmp" "$2"
`;

/**
 * Removes versions: beyond the newest, never one that a link leads to, in which a process runs, or
 * that is named. One that failed counts for nothing and goes when all that is kept is newer.
 * Arguments: path, how many are kept, the released one, others that are needed. Says what went.
 */
export const PRUNE = `cd "$1/releases" 2>/dev/null || exit 0
here=$(pwd -P); keep=$2; now=$3
rm -f "$now/.sluice-bad"
shift 2
nl='
'
for n; do needed="$needed$nl$n"; done
for l in ../*; do [ -L "$l" ] && needed="$needed$nl$(basename "$(readlink "$l")")"; done
used=$nl$(for p in /proc/[0-9]*; do readlink "$p/cwd"; readlink "$p/exe"; done 2>/dev/null)$nl
count=0; code=0
for mark in $(ls -1t -- */.sluice-artifact 2>/dev/null); do
  d=\${mark%/*}
  case $d in *.tmp|*[!A-Za-z0-9_.+-]*) continue;; esac
  [ -e "$d/.sluice-bad" ] || count=$((count + 1))
  [ "$count" -le "$keep" ] && { [ "$count" -lt "$keep" ] || [ ! -e "$d/.sluice-bad" ]; } && continue
  case "$needed$nl" in *"$nl$d$nl"*) continue;; esac
  case $used in *"$nl$here/$d$nl"*|*"$nl$here/$d/"*) continue;; esac
  mv "$d" "$d.tmp" && rm -rf "$d.tmp" && echo "$d" || code=1
done
exit $code
`;
