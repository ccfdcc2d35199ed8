// What a host behind a shell is asked by, as POSIX scripts (dash, busybox) that read Linux's /proc. `$1`,
// `$2`, … are filled in by quote.ts.

/** Who a pid is: the boot and the 22nd column of its stat; fails for a zombie. Sets `who`. */
export const IDENTITY = `identity() {
IFS= read -r boot </proc/sys/kernel/random/boot_id
stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
set -- \${stat##*)}
case $1 in Z|X) return 1;; esac
shift 19; who=$boot/$1
}
`;

/** Refuses a command as the system does. Arguments: folder, program, PATH; they are shifted away. */
export const EXISTS = `refuse() { printf '\\036%s' "$1" >&2; exit 121; }
[ -d "$1" ] || refuse ENOENT
case $2 in
*/*)
( cd "$1" && [ -e "$2" ] ) || refuse ENOENT
( cd "$1" && [ -f "$2" ] && [ -x "$2" ] ) || refuse EACCES;;
*) ( PATH=$3; command -v "$2" >/dev/null ) || refuse ENOENT;;
esac
shift 3
`;
/** The exit code of a refusal; stderr ends in its word then. */
export const REFUSED = 121;

/**
 * Alone in a folder, until the shell ends or is `apart`. Argument: the folder, which is made, owner-only. Who
 * holds it already goes on holding it. Its variables are called so that they are none of an app's.
 */
export const LOCKED = `alone() {
[ "\${sluice_alone-}" != "$1" ] || return 0
( umask 077; mkdir -p "$1" ) || exit 1
if command -v flock >/dev/null; then
exec 8>>"$1/.lock" || exit 1; flock 8; sluice_alone=$1; return
fi
sluice_n=0
until mkdir "$1/.lock.d" 2>/dev/null; do
identity "$(cat "$1/.lock.d/pid" 2>/dev/null || echo 0)" || [ "$sluice_n" -lt 20 ] || rm -rf "$1/.lock.d"
sluice_n=$((sluice_n + 1)); sleep 0.1 2>/dev/null || sleep 1
done
echo "$$" >"$1/.lock.d/pid"; sluice_alone=$1; sluice_made=$1; trap 'rm -rf "$sluice_made/.lock.d"' EXIT
}
apart() {
exec 8>&-; sluice_alone=
[ -z "\${sluice_made-}" ] || { trap - EXIT; rm -rf "$sluice_made/.lock.d"; sluice_made=; }
}
`;

/**
 * The claim of a release on a host: alone in its folder, and no release with a higher fence was there. What
 * follows in the same script is done under it. Arguments: folder, fence.
 */
export const CLAIMED = `${IDENTITY}${LOCKED}claimed() {
alone "$1" || exit 1
sluice_have=0; IFS= read -r sluice_have 2>/dev/null <"$1/fence"
[ "$2" -ge "\${sluice_have:-0}" ] || { printf '\\036claim %s ' "$sluice_have" >&2; exit 120; }
( umask 077; printf '%s\\n' "$2" >"$1/fence.tmp" ) && mv -f "$1/fence.tmp" "$1/fence" || exit 1
}
`;
/** The exit code of a script whose claim was refused; stderr ends in `claim` and the fence that was there. */
export const TAKEN_OVER = 120;

export const LOOK = `[ -e "$1" ] || exit 1
if [ -f "$1" ]; then k=file; elif [ -d "$1" ]; then k=folder; else k=other; fi
if [ -x "$1" ]; then x=x; else x=-; fi
printf '%s %s %s ' "$k" "$x" "$(stat -L -c %s "$1")"; readlink -f "$1"`;

export const STAMPS = `stat -L -c '%F|%d:%i|:%s:%y|%n' "$@" 2>/dev/null; true`;

export const LIST = `cd "$1" 2>/dev/null || exit 1
for f in .* *; do
case $f in .|..) continue;; esac
if [ -L "$f" ]; then k=link; elif [ -f "$f" ]; then k=file; elif [ -d "$f" ]; then k=folder
elif [ -e "$f" ]; then k=other; else continue; fi
printf '%s %s\\0' "$k" "$f"
done`;

export const READ = `[ -r "$1" ] && [ ! -d "$1" ] || exit 1
tail -c "+$(($2 + 1))" "$1" | head -c "$3"`;

/** Arguments: path, content. The error of the system is on stderr. */
export const PUT = `umask 077; t=$1.$$.tmp
if printf %s "$2" >"$t"; then sync "$t" 2>/dev/null; mv -f "$t" "$1" && exit 0; fi
rm -f "$t"; exit 1`;

/** Once more after a cut it finds the work done. */
export const RENAME = `[ ! -e "$1" ] && [ ! -L "$1" ] && [ -e "$2" ] && exit 0
mv -f "$1" "$2"`;

/** How many KB are free where a file is, or would be. */
export const FREE = `d=$1; while [ ! -d "$d" ] && [ "$d" != . ]; do d=$(dirname "$d"); done
df -Pk "$d" | { read -r _; read -r _ _ _ free _; echo "$free"; }`;

export const MAKE_FOLDER = `umask 077; mkdir -p "$1"`;

export const ALIVE = `${IDENTITY}identity "$1" && [ "$who" = "$2" ]`;

export const SIGNAL = `${ALIVE} && kill -s "$3" "$1" 2>/dev/null`;

/** All stats, then the values of a variable where a process has it. */
export const PROCESSES = `cat /proc/sys/kernel/random/boot_id
cat /proc/[0-9]*/stat 2>/dev/null
echo
for f in $(grep -ls "$1=" /proc/[0-9]*/environ); do
v=$(tr '\\0' '\\n' <"$f" 2>/dev/null | sed -n "s/^$1=//p" | head -n 1)
[ -z "$v" ] || printf '%s %s\\n' "$f" "$v"
done
true`;

export const VARIABLE = `tr '\\0' '\\n' <"/proc/$1/environ" 2>/dev/null | sed -n "s/^$2=//p" | head -n 1`;

export const COMMAND = `tr '\\0' ' ' <"/proc/$1/cmdline" 2>/dev/null; true`;

const USER = `user() {
while IFS=: read -r name _ id _; do
[ "$id" != "$1" ] || { echo "user $name"; return; }
done </etc/passwd
echo "user $1"
}
`;

export const OWNER = `${USER}u=$(stat -c %u "/proc/$1" 2>/dev/null) || exit 0
[ "$u" = "$(id -u)" ] || user "$u"`;

export const USER_NAME = `${USER}user "$1"`;

export const SOCKETS = 'cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; true';

/** Arguments: the sockets with blanks between, then folders of descriptors; none: of all processes. */
export const HOLDERS = `want=$1; shift
[ $# -gt 0 ] || set -- /proc/[0-9]*/fd
ls -l "$@" /dev/null 2>/dev/null | awk -v want="$want" '
BEGIN { n = split(want, names, " ") }
/^\\/proc\\// { split($0, part, "/") }
{ for (i = 1; i <= n; i++) if (index($0, names[i])) print part[3] }'
true`;

/** Arguments: folder, fence. */
export const CLAIM = `${CLAIMED}claimed "$1" "$2"`;

/** Before a start: the next one must bring this ticket. Arguments: log, ticket. */
export const TICKET = `${IDENTITY}${LOCKED}alone "\${1%/*}" && ( umask 077; printf 'wait %s\\n' "$2" >"$1.start" )`;

/** After a start of which nothing is known: it can begin no more, or has. Arguments as above. */
export const OUTCOME = `${IDENTITY}${LOCKED}alone "\${1%/*}" || exit 1
IFS= read -r have <"$1.start"
[ "$have" != "wait $2" ] || rm -f "$1.start" || exit 1
printf %s "$have"`;

/** Behind EXISTS. Arguments: log, ticket. 122: the ticket is not valid any more. `inner` prints who it is. */
export function spawnScript(inner: string, end: string): string {
  return `${IDENTITY}${LOCKED}log=$1; ticket=$2; alone "\${log%/*}" || exit 1
IFS= read -r have <"$log.start"; [ "$have" = "wait $ticket" ] || exit 122
( umask 077; : >>"$log" ) || exit 1
line=$(setsid sh -c 'exec setsid env -i sh /proc/self/fd/4' 4<<'${end}' 8>&-
${inner}
${end}
)
printf 'done %s %s\n' "$ticket" "$line" >"$log.start"
printf '%s\n' "$line"`;
}

/** `choose` sets `$1`, which `words` begin with. */
export type Program = { readonly choose: string; readonly words: string };

/** What a shell becomes: with this environment, in this folder. */
export type Body = { readonly exports: string; readonly cwd: string; readonly program: Program };

export function bodyScript({ exports, cwd, program }: Body): string {
  return `${exports}cd ${cwd} || exit 1
unset PWD OLDPWD SHLVL
${program.choose}
exec ${program.words}`;
}

/** What is run in the place of a shell: it says who it is, and has nothing but the environment given. */
export function daemonScript(body: Body, log: string): string {
  return `IFS= read -r boot </proc/sys/kernel/random/boot_id
IFS= read -r stat <"/proc/$$/stat"
set -- \${stat##*)}
shift 19
printf '%s %s/%s\n' "$$" "$boot" "$1"
exec </dev/null >>${log} 2>&1 4<&-
unset boot stat
${bodyScript(body)}`;
}

/** Behind EXISTS: a command that ends with us, after its time, or by itself. */
export function runScript(options: {
  readonly exports: string;
  readonly cwd: string;
  readonly seconds: number;
  readonly program: Program;
  readonly readsStdin: boolean;
  readonly end: string;
}): string {
  const { cwd, seconds, program, readsStdin, end } = options;
  const inner = `${options.exports}cd ${cwd} || exit 1
unset PWD OLDPWD SHLVL
${program.choose}
exec timeout -s KILL ${seconds} ${program.words} 4<&-`;
  const start = `env -i sh /proc/self/fd/4 4<<'${end}' 8>&-`;
  if (readsStdin) return `${start}\n${inner}\n${end}`;
  // The end of our pipe ends it: TERM, which timeout gives on to all that it has started.
  return `exec 3<&0
${start} </dev/null 3<&- &
${inner}
${end}
c=$!
( cat <&3; kill -s TERM "$c"; sleep 5; kill -s KILL "$c" ) >/dev/null 2>&1 8>&- &
w=$!
exec 3<&-
wait "$c"; r=$?
kill "$w" 2>/dev/null
exit "$r"`;
}
