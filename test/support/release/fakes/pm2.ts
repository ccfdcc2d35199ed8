// A `pm2` that keeps real processes, in the folder PM2_HOME. What the driver calls of it and no more:
// start, delete, jlist. Tests use it in the place of the real one, see docs/design/dependencies.md.
//
//   node pm2.ts FOLDER words…          (the folder is used when PM2_HOME is not set)

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endKept, isKept, keep, readKept } from './keeper.ts';

const [given = '', verb = '', ...words] = process.argv.slice(2);
const folder = process.env['PM2_HOME'] ?? given;
mkdirSync(folder, { recursive: true });
const file = (name: string): string => join(folder, `${name}.app`);

function fail(message: string): never {
  console.error(`[PM2][ERROR] ${message}`);
  process.exit(1);
}

const option = (name: string): string => words[words.indexOf(name) + 1] ?? '';
const [first = ''] = words;

if (verb === 'start') {
  const name = option('--name');
  if (existsSync(file(name))) fail('Script already launched');
  if (!existsSync(first)) fail(`Script not found: ${first}`);
  const end = words.indexOf('--');
  const env = Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value]],
    ),
  );
  await keep(file(name), {
    argv: [first, ...(end < 0 ? [] : words.slice(end + 1))],
    cwd: option('--cwd'),
    env,
    restart: words.includes('--no-autorestart') ? 'no' : 'always',
    stopSignal: 'SIGINT',
    stopTimeoutMs: Number(option('--kill-timeout') || 1600),
    log: join(folder, `${name}.log`),
  });
} else if (verb === 'delete') {
  if (!existsSync(file(first))) fail(`Process or Namespace ${first} not found`);
  await endKept(file(first), 'SIGTERM');
  rmSync(file(first));
} else if (verb === 'jlist') {
  const names = readdirSync(folder).filter((name) => name.endsWith('.app'));
  const apps = names.map((entry, id) => {
    const name = entry.slice(0, -'.app'.length);
    const { env } = JSON.parse(readFileSync(file(name), 'utf8'));
    const kept = readKept(file(name));
    const isThere = isKept(kept);
    const status = isThere ? (kept.isRunning ? 'online' : 'waiting restart') : 'stopped';
    const at = {
      status,
      pm_uptime: Date.parse(kept?.startedAt ?? ''),
      restart_time: kept?.restarts ?? 0,
      exit_code: kept?.code ?? 0,
      pm_out_log_path: join(folder, `${name}.log`),
      pm_err_log_path: join(folder, `${name}.log`),
      env,
    };
    return { name, pid: kept?.isRunning === true ? kept.pid : 0, pm_id: id, pm2_env: at };
  });
  console.log('>>>> In-memory PM2 is out-of-date, do:\n');
  writeFileSync(1, `${JSON.stringify(apps)}\n`);
} else fail(`unknown command ${verb}`);
