// The shell steps of the pipelines in docs/ci, in the order in which the CI system runs them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDocument } from '../../../src/config.ts';

const FOLDER = join(import.meta.dirname, '../../../docs/ci');

export type PipelineStep = {
  readonly job: string;
  readonly script: string;
  /** Variables that the file gives it, with the system's expressions in them. */
  readonly env: Readonly<Record<string, string>>;
};

export type Pipeline = {
  /** Of a push. */
  readonly push: readonly PipelineStep[];
  /** Of the job that a person starts. */
  readonly rollback: readonly PipelineStep[];
};

export function githubPipeline(): Pipeline {
  const { jobs } = read('github-actions.yml');
  const all = Object.entries(map(jobs)).flatMap(([job, value]) => {
    const { steps, env } = map(value);
    return list(steps).flatMap((step): PipelineStep[] => {
      const { run, uses } = map(step);
      if (run === undefined && typeof uses === 'string') return [];
      return [{ job, script: text(run), env: texts(env) }];
    });
  });
  return parted(all);
}

export function gitlabPipeline(): Pipeline {
  const { stages, default: _, ...jobs } = read('gitlab-ci.yml');
  const order = list(stages).map(text);
  const all = Object.entries(jobs)
    .map(([job, value]) => ({ job, keys: map(value) }))
    .toSorted((a, b) => order.indexOf(text(a.keys['stage'])) - order.indexOf(text(b.keys['stage'])))
    // The lines of a job are one script.
    .map(({ job, keys }) => {
      return { job, script: list(keys['script']).map(text).join('\n'), env: {} };
    });
  return parted(all);
}

export function flowPipeline(): Pipeline {
  const { stages } = read('aliyun-flow.yml');
  const all = Object.values(map(stages)).flatMap((stage) =>
    Object.entries(map(map(stage)['jobs'])).flatMap(([job, value]) =>
      Object.values(map(map(value)['steps'])).map((step): PipelineStep => {
        const { step: kind, with: settings } = map(step);
        if (kind !== 'Command') throw new Error(`${job}: a step of kind ${String(kind)}`);
        const name = map(value)['driven'] === 'manual' ? 'rollback' : job;
        return { job: name, script: text(map(settings)['run']), env: {} };
      }),
    ),
  );
  return parted(all);
}

/** The stages with their `sh` steps; Groovy's escapes in their texts are undone. */
export function jenkinsPipeline(): Pipeline {
  const file = readFileSync(join(FOLDER, 'Jenkinsfile'), 'utf8');
  if (
    [...file].filter((sign) => sign === '{').length !==
    [...file].filter((sign) => sign === '}').length
  ) {
    throw new Error('Jenkinsfile: a brace is not closed');
  }
  const all = file
    .split(/^ {4}stage\('/m)
    .slice(1)
    .flatMap((stage) => {
      const job = stage.slice(0, stage.indexOf("'")).toLowerCase();
      const found = [...stage.matchAll(/\bsh (?:'''(.*?)'''|'([^'\n]*)')/gs)];
      return found.map(([, block, line]): PipelineStep => {
        const script = (block ?? line ?? '').replaceAll('\\\\', '\\');
        return { job, script, env: {} };
      });
    });
  return parted(all);
}

function parted(all: readonly PipelineStep[]): Pipeline {
  return {
    push: all.filter(({ job }) => job !== 'rollback'),
    rollback: all.filter(({ job }) => job === 'rollback'),
  };
}

function read(name: string): Record<string, unknown> {
  const { data, problems } = readDocument(readFileSync(join(FOLDER, name), 'utf8'));
  if (problems.length > 0) throw new Error(`${name}: ${JSON.stringify(problems)}`);
  return map(data);
}

function map(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new Error(`no text: ${JSON.stringify(value)}`);
  return value;
}

function texts(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(map(value)).map(([name, one]) => [name, text(one)]));
}
