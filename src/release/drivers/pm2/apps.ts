// What pm2 says of its processes. Its list holds the whole environment of each, secrets too, and may be
// long: it is cut down on the host to the processes of one name, and to what is needed of them.

import { field } from '../../journal/fields.ts';
import { complaint, type Tool } from '../tool.ts';

export type Pm2App = {
  readonly pid: number;
  /** pm2's own word: `online`, `launching`, `waiting restart`, `stopped`, `errored` … */
  readonly status: string;
  readonly isUp: boolean;
  readonly startedAtMs: number;
  readonly restarts: number;
  readonly exitCode: number;
  readonly outLog: string;
  readonly errorLog: string;
  readonly mark: string;
  readonly version: string;
  readonly release: string;
};

export type Pm2Answer = {
  readonly apps: readonly Pm2App[];
  /** Why pm2 could not be asked; '' normally. */
  readonly trouble: string;
};

const TIMEOUT_MS = 60_000;
/** Lines that pm2 prints before its list (its first start, a new version) are passed over. */
const CUT = `let text = '';
process.stdin.on('data', (part) => { text += part; }).on('end', () => {
  const line = text.split('\\n').find((one) => one.startsWith('['));
  const own = JSON.parse(line).filter((app) => app.name === process.argv[1]);
  console.log(JSON.stringify(own.map(({ pid, pm2_env: at }) => {
    const { env = {} } = at;
    const of = (name) => String(env[name] ?? at[name] ?? '');
    return { pid, status: at.status, startedAtMs: at.pm_uptime, restarts: at.restart_time,
      exitCode: at.exit_code, outLog: at.pm_out_log_path, errorLog: at.pm_err_log_path,
      mark: of('SLUICE_INSTANCE'), version: of('SLUICE_VERSION'), release: of('SLUICE_RELEASE') };
  })));
});`;
const LIST = '"$@" jlist | node -e "$cut" "$name"';

export async function appsOf(pm2: Tool, name: string): Promise<Pm2Answer> {
  const end = await pm2.script(LIST, { env: { cut: CUT, name }, timeoutMs: TIMEOUT_MS });
  if (end.code !== 0) return { apps: [], trouble: `pm2 cannot be asked: ${complaint(end)}` };
  try {
    const value: unknown = JSON.parse(end.stdout);
    return { apps: Array.isArray(value) ? value.map(readApp) : [], trouble: '' };
  } catch {
    return { apps: [], trouble: 'pm2 cannot be asked: its list is not readable' };
  }
}

/** How that run of it ended, in words; '' while it runs. */
export function endOf({ status, isUp, restarts, exitCode }: Pm2App, isSame: boolean): string {
  if (isUp && !isSame) return `ended and was started again by pm2 (${restarts} restarts)`;
  return isUp ? '' : `exited with code ${exitCode} (${status})`;
}

function readApp(value: unknown): Pm2App {
  const text = (name: string): string => String(field(value, name) ?? '');
  const number = (name: string): number => Number(field(value, name) ?? 0);
  const status = text('status');
  return {
    pid: number('pid'),
    status,
    isUp: status === 'online' || status === 'launching' || status === 'stopping',
    startedAtMs: number('startedAtMs'),
    restarts: number('restarts'),
    exitCode: number('exitCode'),
    outLog: text('outLog'),
    errorLog: text('errorLog'),
    mark: text('mark'),
    version: text('version'),
    release: text('release'),
  };
}
