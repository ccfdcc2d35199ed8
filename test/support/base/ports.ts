// Ports for what cannot be told to take one itself (`port 0`), such as a program with a configuration.
// They lie below the range from which the system gives ports away, so that nobody is given one of
// them by chance; and a file names the process that has it, so that no other test takes it meanwhile.

import { mkdirSync, readFileSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemCode } from '../../../src/base/errors.ts';

const FOLDER = join(tmpdir(), 'sluice-test-ports');
const FIRST = 10_240;
const RANGE = '/proc/sys/net/ipv4/ip_local_port_range';
const DEFAULT_END = 32_768;

const claimed = new Set<number>();

/** Ports of 127.0.0.1 on which nobody listens; this process has them until it ends. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * (endOfRange() - FIRST));
    if (claim(port) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

function endOfRange(): number {
  try {
    const low = Number(readFileSync(RANGE, 'utf8').split('\t')[0]);
    return low > 2 * FIRST ? low : DEFAULT_END;
  } catch {
    return DEFAULT_END; // Not Linux: its range begins higher.
  }
}

/** False when another test has it. */
function claim(port: number): boolean {
  const file = join(FOLDER, String(port));
  if (claimed.has(port)) return false;
  try {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') forgetDead(file);
    // ENOENT: the last of the others has just removed the folder.
    else if (code !== 'ENOENT') throw error;
    return false;
  }
  if (claimed.size === 0) process.once('exit', releaseAll);
  claimed.add(port);
  return true;
}

function forgetDead(file: string): void {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    if (pid > 0) process.kill(pid, 0);
  } catch (error) {
    if (systemCode(error) === 'ESRCH') remove(file);
  }
}

function releaseAll(): void {
  for (const port of claimed) remove(join(FOLDER, String(port)));
  try {
    rmdirSync(FOLDER);
  } catch {} // Others have ports.
}

function remove(file: string): void {
  try {
    unlinkSync(file);
  } catch {} // Somebody else was first.
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
