// A host in memory whose processes are those of the world, as one runner sees it.

import { SluiceError } from '../../../../src/base/errors.ts';
import type { Command, FileFacts, Host, ProcessName } from '../../../../src/release/hosts.ts';
import type { Gate } from './runner.ts';
import type { Kind, ModelProcess, World } from './world.ts';

const USER = '1000\napp\n1000\n1000\napp:x:1000:1000::/home/app:/bin/sh\n\n\n';
const FOLDER: FileFacts = { kind: 'folder', isExecutable: false, realPath: '/srv', size: 0 };
const PROGRAM: FileFacts = { kind: 'file', isExecutable: true, realPath: '/srv/app', size: 1 };
const NEVER_MS = Number.POSITIVE_INFINITY;

/** How long a process of this kind takes until it listens, and until it ends by itself, ms. */
function lifeOf(kind: Kind, random: () => number): { listens: number; ends: number } {
  const listens = 50 + random() * 400;
  if (kind === 'late') return { listens: 1000 + random() * 2000, ends: NEVER_MS };
  if (kind === 'never') return { listens: NEVER_MS, ends: NEVER_MS };
  if (kind === 'dies') return { listens, ends: 20 + random() ** 2 * 15_000 };
  return { listens, ends: NEVER_MS };
}

export function modelHost(world: World, gate: Gate): Host {
  /** The question and the change are one: whoever stands still does so before or after both. */
  const claimed = (wanted: number): void => {
    if (wanted < world.fence) throw new SluiceError('locked', 'host: taken over');
    world.fence = wanted;
  };
  const find = (pid: number): ModelProcess | undefined =>
    world.processes.find((one) => one.pid === pid);
  const isAlive = ({ pid }: ProcessName): boolean => {
    const found = find(pid);
    return found !== undefined && world.isAlive(found);
  };
  const holder = (port: number): ModelProcess | undefined =>
    [...world.servers.keys()]
      .flatMap((id) => world.listening(id) ?? [])
      .find((one) => {
        return one.instance.endsWith(`:${port}`);
      });
  const spawn = async ({ env, args, claim }: Command) => {
    await gate.pass();
    const { fence } = claim ?? { fence: 0 };
    if (claim !== undefined) claimed(fence);
    const version = env['SLUICE_VERSION'] ?? '';
    const [, word = 'good'] = version.split('-');
    const kind = KINDS.find((one) => one === word) ?? 'good';
    const life = lifeOf(kind, world.random);
    const process: ModelProcess = {
      ...{ pid: 100 + world.processes.length, instance: args[0] ?? '', version, kind, env },
      ...{ listensMs: world.now() + life.listens, endMs: world.now() + life.ends, isTold: false },
    };
    world.touched(process.instance, `start of ${version}, pid ${process.pid}`, fence);
    world.begin(process);
    await gate.alive();
    const ended = async (): Promise<string> => {
      await gate.pass();
      return world.isAlive(process) ? '' : 'exited with code 1';
    };
    return { process: nameOf(process), ended };
  };
  return {
    isLocal: false,
    name: 'host "h"',
    environment: { PATH: '/srv' },
    connect: () => gate.pass(),
    close: async () => {},
    run: async () => ({ code: 0, stdout: USER, stderr: '' }),
    spawn,
    look: async (path) => (path === '/srv' ? FOLDER : path === '/srv/app' ? PROGRAM : null),
    stamps: async (paths) => paths.map(() => 'same'),
    list: async () => [],
    read: async () => null,
    put: async () => {},
    rename: async () => {},
    makeFolder: async () => {},
    claim: async (_, wanted) => {
      await gate.pass();
      claimed(wanted);
    },
    isAlive: async (process) => {
      await gate.pass();
      return isAlive(process);
    },
    processes: async (variable) => {
      await gate.pass();
      return world.processes
        .filter((one) => world.isAlive(one))
        .map((one) => ({
          ...{ ...nameOf(one), parent: 1, session: one.pid, value: one.env[variable] ?? '' },
        }));
    },
    variableOf: async (pid, name) => find(pid)?.env[name] ?? '',
    signal: async (target, name, claim) => {
      await gate.pass();
      const { fence } = claim ?? { fence: 0 };
      if (claim !== undefined) claimed(fence);
      const process = find(target.pid);
      if (process === undefined || !world.isAlive(process)) return false;
      if (!process.isTold) {
        world.touched(process.instance, `${name} to pid ${process.pid}`, fence);
        const { admin, sinceMs } = world.server(process.instance);
        if (admin.state === 'ready' && world.now() - sinceMs > 1500) {
          world.violated(`${process.instance}: ${name} while it is in traffic`);
        }
      }
      process.isTold = true;
      if (name === 'KILL') process.endMs = world.now();
      else if (process.kind === 'slow') process.endMs = world.now() + 2000;
      else if (process.kind !== 'stubborn') process.endMs = world.now() + 20;
      return true;
    },
    commandOf: async () => 'app',
    ownerOf: async () => '',
    userName: async () => 'app',
    sockets: async ({ port }) => {
      const found = holder(port);
      return new Map(found === undefined ? [] : [[`socket ${found.pid}`, 1000]]);
    },
    holderOf: async (sockets, among) => {
      const pids = world.processes
        .filter((one) => world.isAlive(one) && sockets.has(`socket ${one.pid}`))
        .map(({ pid }) => pid);
      return pids.find((pid) => among === undefined || among.includes(pid));
    },
    isListening: async ({ port }) => holder(port) !== undefined,
  };
}

export const KINDS: readonly Kind[] = [
  ...(['good', 'late', 'dies', 'never', 'sick', 'wrong', 'stubborn', 'slow'] as const),
];

function nameOf({ pid }: ModelProcess): ProcessName {
  return { pid, identity: `boot/${pid}` };
}
