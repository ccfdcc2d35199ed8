// What docker says of a container, read from `docker inspect`.

import { field } from '../../journal/fields.ts';
import type { Tool } from '../tool.ts';

export type Container = {
  readonly id: string;
  /** The image's own id. */
  readonly image: string;
  /** It runs, or docker is about to start it again. */
  readonly isUp: boolean;
  readonly isRestarting: boolean;
  /** 0 when it does not run. */
  readonly pid: number;
  readonly exitCode: number;
  readonly isOutOfMemory: boolean;
  /** Another run of it has another one. */
  readonly startedAt: string;
  readonly restarts: number;
  readonly labels: Readonly<Record<string, string>>;
};

/** Those of the names that docker knows. */
export async function inspectAll(
  docker: Tool,
  names: readonly string[],
): Promise<readonly Container[]> {
  const found = await Promise.all(
    names.map(async (name) => {
      const { code, stdout } = await docker.run(['inspect', '--type', 'container', name]);
      if (code !== 0) return [];
      try {
        const value: unknown = JSON.parse(stdout);
        return Array.isArray(value) ? value.map(readContainer) : [];
      } catch {
        return []; // It was removed while docker wrote.
      }
    }),
  );
  return found.flat();
}

/** How that run of it ended, in words; '' while it runs. */
export function endOf(container: Container, startedAt: string): string {
  const { isUp, isRestarting, restarts, exitCode, isOutOfMemory } = container;
  if (isUp && !isRestarting) {
    return container.startedAt === startedAt
      ? ''
      : `ended and was started again by docker (${restarts} restarts)`;
  }
  return `exited with code ${exitCode}${isOutOfMemory ? ' (out of memory)' : ''}`;
}

function readContainer(value: unknown): Container {
  const state = field(value, 'State');
  const config = field(value, 'Config');
  const isRestarting = field(state, 'Restarting') === true;
  const labels = field(config, 'Labels') ?? {};
  return {
    id: String(field(value, 'Id') ?? ''),
    image: String(field(value, 'Image') ?? ''),
    isUp: field(state, 'Running') === true || isRestarting,
    isRestarting,
    pid: Number(field(state, 'Pid') ?? 0),
    exitCode: Number(field(state, 'ExitCode') ?? 0),
    isOutOfMemory: field(state, 'OOMKilled') === true,
    startedAt: String(field(state, 'StartedAt') ?? ''),
    restarts: Number(field(value, 'RestartCount') ?? 0),
    labels: Object.fromEntries(Object.entries(labels).map(([name, text]) => [name, String(text)])),
  };
}
