// A keeper: a shell on the host of an instance that starts it again when it ends. It is the parent of the
// instance, so it sleeps until that ends and knows how; it has what it needs in its memory, so no value
// of a secret is on the host's disk, and nothing is left of it after a reboot.
//
// What it may do stands beside the log, in `<log>.keep`, which is read and written under the folder's
// lock alone: one line, in the order of FIELDS. A start writes another ticket there, and an order of a release
// another mode; a keeper whose ticket it is not ends.
//
//   new     started by a release that has not said yet that it is well: not started again
//   on      started again when it ends, unless in good order
//   hold    a release drains it: not started again until it says so, or its time is over
//   left    has ended, but something that it had started lives: started again once that is gone
//   off     stopped by a release, or ended while it was new
//   done    it ended with code 0 or by TERM, INT, HUP: somebody wanted it
//   lost    10 restarts in a row, each within 60 s

import type { ProcessName } from '../host.ts';
import { q } from './quote.ts';
import { type Body, bodyScript, IDENTITY, LOCKED } from './scripts.ts';

export type KeeperMode = 'new' | 'on' | 'hold' | 'left' | 'off' | 'done' | 'lost';

export type KeeperOrder = 'on' | 'hold' | 'off';

/** What is known of the keeper of an instance. */
export type Keeper = {
  readonly mode: KeeperMode;
  /** The newest run. */
  readonly process: ProcessName;
  readonly isAlive: boolean;
  /** False when the keeper itself has ended: by a reboot, or by somebody. */
  readonly isKept: boolean;
  /** Of the host: its clock says both times. */
  readonly isSameBoot: boolean;
  readonly restarts: number;
  readonly sinceMs: number;
  /** How the last one ended: an exit code, or 128 and the number of a signal; null = none has. */
  readonly code: number | null;
  readonly endedMs: number;
};

const ROW_MAX = 10;
const STABLE_S = 60;
const DELAY_MAX_S = 60;
const FIELDS = 'mode have pid who keeper keeperWho restarts begun code at until';

/** Sets `up`, whole seconds since the boot. `state` fails where nothing is written. */
const STATE = `seconds() { IFS=' .' read -r up _ </proc/uptime; }
state() { mode=; have=; IFS=' ' read -r ${FIELDS} 2>/dev/null <"$log.keep" && [ -n "$until" ]; }
say() {
( umask 077; printf '%s\\n' "$mode $ticket $pid $who $keeper $keeperWho $restarts $begun $code $at $until" >"$log.keep.tmp" ) &&
mv -f "$log.keep.tmp" "$log.keep"
}
mine() { state && [ "$have" = "$ticket" ]; }
allowed() { case $mode in on|left) ;; hold) seconds; [ "$up" -ge "$until" ];; *) false;; esac; }
`;

/**
 * What is run in the place of a shell that keeps an instance. The script that starts it has the lock and
 * reads `pid identity` from descriptor 7.
 */
export function keeperScript(options: {
  readonly first: Body;
  readonly again: Body;
  readonly log: string;
  readonly ticket: string;
  /** The variable of its environment that every process of the instance has: `NAME=value`. */
  readonly mark: string;
  readonly path: string;
  readonly delayS: number;
  readonly end: string;
}): string {
  const { first, again, log, ticket, mark, path, delayS, end } = options;
  const begin = `${IDENTITY}${LOCKED}${STATE}PATH=${q(path)}; log=${q(log)}; ticket=${q(ticket)}\n`;
  return `${begin}mark=${q(mark)}; row=0; n=0
exec </dev/null >/dev/null 2>&1 4<&-
ended() {
mine && alone "\${log%/*}" && mine || return 1
case $mode in
new) mode=off;;
on|hold) case $1 in
0|129|130|143) mode=done;;
*) [ "$row" -lt ${ROW_MAX} ] || mode=lost;;
esac;;
*) return 1;;
esac
code=$1; at=$(date +%s); say
[ "$mode" = on ] || [ "$mode" = hold ]
}
left() {
[ -z "$(grep -lsF "$mark" /proc/[0-9]*/environ)" ] || return 0
cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | awk -v s="$pid" '$4 == s && $1 != "Z" { f = 1 } END { exit !f }'
}
while :; do
seconds; started=$up
setsid env -i sh /proc/self/fd/4 "$n" 4<<'${end}'
own=$PATH
${begin}identity "$$" || exit 1
pid=$$; itself=$who; identity "$PPID" || exit 1; parent=$who
if [ "$1" -gt 0 ]; then
alone "\${log%/*}" && mine && allowed || exit 1
mode=on; until=0; pid=$$; who=$itself; keeper=$PPID; keeperWho=$parent; restarts=$1; say || exit 1
printf 'sluice: started again (%s)\\n' "$restarts" >>"$log"
apart
else
mode=new; who=$itself; keeper=$PPID; keeperWho=$parent; restarts=0; begun=$(date +%s); code=-; at=0; until=0
say || exit 1
printf 'done %s %s %s\\n' "$ticket" "$pid" "$who" >"$log.start"
printf '%s %s\\n' "$pid" "$who" >&7
fi
PATH=$own
exec </dev/null >>${q(log)} 2>&1 4<&- 7>&-
if [ "$1" -gt 0 ]; then
${bodyScript(again)}
fi
${bodyScript(first)}
${end}
code=$?
[ "$n" -gt 0 ] || { echo >&7; exec 7>&-; }
seconds; [ $((up - started)) -lt ${STABLE_S} ] || row=0
( ended "$code" ) || exit 0
delay=${delayS}; i=0
while [ "$i" -lt "$row" ] && [ "$delay" -lt ${DELAY_MAX_S} ]; do delay=$((delay * 2)); i=$((i + 1)); done
[ "$delay" -lt ${DELAY_MAX_S} ] || delay=${DELAY_MAX_S}
waited=0
while :; do
mine || exit 0
case $mode in on|hold|left) ;; *) exit 0;; esac
if [ "$waited" -ge "$delay" ] && allowed; then
left || break
[ "$mode" = left ] || ( alone "\${log%/*}" && mine && allowed && mode=left && say )
fi
sleep 1; waited=$((waited + 1))
done
n=$((n + 1)); row=$((row + 1))
done`;
}

/** Behind EXISTS. Arguments: log, ticket. As `spawnScript`, with a keeper in place of the instance. */
export function keptSpawnScript(keeper: string, end: string): string {
  return `${IDENTITY}${LOCKED}log=$1; ticket=$2; alone "\${log%/*}" || exit 1
IFS= read -r have <"$log.start"; [ "$have" = "wait $ticket" ] || exit 122
( umask 077; : >>"$log" ) || exit 1
rm -f "$log.ready"; mkfifo -m 600 "$log.ready" && exec 7<>"$log.ready" || exit 1
rm -f "$log.ready"
setsid sh -c 'exec setsid env -i sh /proc/self/fd/4' 4<<'${end}' 8>&- >/dev/null || exit 1
${keeper}
${end}
IFS= read -r line <&7
[ -n "$line" ] || exit 1
printf '%s\\n' "$line"`;
}

/** Arguments: log, order, fence (0 = none), seconds. 75: a higher fence was there. Prints what is known now. */
export const TELL_KEEPER = `${IDENTITY}${LOCKED}${STATE}log=$1
[ -e "$log.keep" ] || exit 0
alone "\${log%/*}" || exit 1
top=0; IFS= read -r top 2>/dev/null <"\${log%/*}/fence"
[ "$3" -eq 0 ] || [ "$3" -ge "\${top:-0}" ] || { printf %s "$top"; exit 75; }
state || exit 0
ticket=$have; seconds
case $2/$mode in
on/new|on/hold) mode=on; until=0;;
hold/on|hold/hold|hold/left) mode=hold; until=$((up + $4));;
off/*) mode=off;;
*) exit 0;;
esac
say`;

/** Argument: log. The line, then who of the two lives, and the boot. */
export const ASK_KEEPER = `${IDENTITY}${STATE}log=$1; state || exit 1
printf '%s\\n' "$mode $pid $who $restarts $begun $code $at"
lives() { want=$2; identity "$1" && [ "$who" = "$want" ] && echo yes || echo no; }
lives "$pid" "$who"; lives "$keeper" "$keeperWho"
cat /proc/sys/kernel/random/boot_id`;

export function readKeeper(output: string): Keeper | null {
  const [line = '', isAlive = '', isKept = '', boot = ''] = output.split('\n');
  const [mode = '', pid = '', identity = '', restarts, begun, code, at] = line.split(' ');
  if (!isMode(mode)) return null;
  return {
    mode,
    process: { pid: Number(pid), identity },
    isAlive: isAlive === 'yes',
    isKept: isKept === 'yes',
    isSameBoot: identity.startsWith(`${boot}/`),
    restarts: Number(restarts),
    sinceMs: Number(begun) * 1000,
    code: code === '-' ? null : Number(code),
    endedMs: Number(at) * 1000,
  };
}

const MODES: ReadonlySet<string> = new Set<KeeperMode>([
  ...(['new', 'on', 'hold', 'left', 'off', 'done', 'lost'] as const),
]);

function isMode(word: string): word is KeeperMode {
  return MODES.has(word);
}
