// The pipelines of docs/ci do what they say: their shell steps are run as the CI system would run them,
// against a gateway and an app that answers the version in its artifact.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { parseConfig } from '../src/config.ts';
import { freePorts } from './support/base/ports.ts';
import {
  flowPipeline,
  githubPipeline,
  gitlabPipeline,
  jenkinsPipeline,
  type Pipeline,
  type PipelineStep,
} from './support/cli/pipelines.ts';
import { COMMAND, type Serving, serve, temporaryFolder } from './support/cli/process.ts';
import { killGroup } from './support/release/builders.ts';

const run = promisify(execFile);
const CI_FOLDER = join(import.meta.dirname, '../docs/ci');

type System = {
  readonly name: string;
  readonly pipeline: Pipeline;
  /** How it runs a script. */
  readonly shell: readonly string[];
  /** What it says of a commit. */
  readonly variables: (commit: string, folder: string) => Readonly<Record<string, string>>;
  /** The version that the file makes of a commit. */
  readonly version: (commit: string) => string;
};

const SYSTEMS: readonly System[] = [
  {
    name: 'github',
    pipeline: githubPipeline(),
    shell: ['bash', '-e', '-c'],
    variables: (commit, folder) => ({
      ...{ GITHUB_ACTIONS: 'true', CI: 'true', GITHUB_SHA: commit },
      GITHUB_OUTPUT: join(folder, 'github-output'),
      GITHUB_STEP_SUMMARY: join(folder, 'github-summary'),
    }),
    version: (commit) => commit.slice(0, 12),
  },
  {
    name: 'gitlab',
    pipeline: gitlabPipeline(),
    shell: ['bash', '-e', '-o', 'pipefail', '-c'],
    variables: (commit) => ({
      ...{ GITLAB_CI: 'true', CI: 'true', CI_COMMIT_SHA: commit },
      ...{ CI_COMMIT_SHORT_SHA: commit.slice(0, 8), GITLAB_USER_LOGIN: 'ann' },
    }),
    version: (commit) => commit.slice(0, 8),
  },
  {
    name: 'jenkins',
    pipeline: jenkinsPipeline(),
    shell: ['sh', '-xe', '-c'],
    variables: (commit) => ({
      ...{ JENKINS_NODE_COOKIE: 'cookie', BUILD_NUMBER: '7', GIT_COMMIT: commit },
      ...{ ROLLBACK: 'false', TO: '', WHY: '' },
    }),
    version: (commit) => commit.slice(0, 12),
  },
  {
    name: 'flow',
    pipeline: flowPipeline(),
    shell: ['bash', '-e', '-c'],
    variables: (commit) => ({
      ...{ CI_COMMIT_SHA: commit, CI_COMMIT_ID: commit.slice(0, 8) },
      ...{ BUILD_NUMBER: '7', PIPELINE_ID: '1' },
    }),
    version: (commit) => commit.slice(0, 8),
  },
];

/** An app without dependencies that answers the first line of the stamp beside it. */
const SERVER = `import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
const stamp = readFileSync(new URL('.sluice-version', import.meta.url), 'utf8').split('\\n')[0];
const server = createServer((request, response) => {
  response.setHeader('x-app-version', stamp);
  response.end(stamp);
});
server.listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => server.close());
`;

type Project = {
  readonly folder: string;
  readonly ports: readonly number[];
  readonly path: string;
};

/** The repository of the app, with the file of docs/ci made for this machine. */
async function project(t: TestContext, ports: readonly number[]): Promise<Project> {
  const folder = temporaryFolder(t);
  const files: Readonly<Record<string, string>> = {
    'package.json': JSON.stringify({
      ...{ name: 'app', version: '1.0.0', private: true, type: 'module' },
      scripts: {
        test: 'node --check server.js',
        build: 'mkdir -p dist && cp server.js package.json dist/',
      },
    }),
    'package-lock.json': JSON.stringify({
      ...{ name: 'app', version: '1.0.0', lockfileVersion: 3, requires: true },
      packages: { '': { name: 'app', version: '1.0.0' } },
    }),
    'server.js': SERVER,
    'sluice.yaml': await localConfig(folder, ports),
    'bin/sluice': `#!/bin/sh\nexec "${process.execPath}" "${COMMAND}" "$@"\n`,
  };
  await mkdir(join(folder, 'bin'));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  await chmod(join(folder, 'bin/sluice'), 0o755);
  const own = `${join(folder, 'bin')}:${join(process.execPath, '..')}`;
  return { folder, ports, path: `${own}:${process.env['PATH']}` };
}

/** The file of docs/ci, with this machine as its only host. */
async function localConfig(folder: string, ports: readonly number[]): Promise<string> {
  const file = await readFile(join(CI_FOLDER, 'sluice.yaml'), 'utf8');
  const local = file
    .replace(/^ {2}app-1: .*\n {2}app-2: .*\n/m, '  app-1: { address: 127.0.0.1 }\n')
    .replace('hosts: [app-1, app-2]', 'hosts: [app-1]')
    .replace('ports: [9000]', `ports: [${ports.join(', ')}]`)
    .replace('path: /srv/app', `path: ${join(folder, 'srv')}`)
    .replace('path: /ping,', 'path: /ping, interval: 100ms,');
  assert.equal(local.match(/127\.0\.0\.1|hosts: \[app-1\]|interval/g)?.length, 3, local);
  return local;
}

/** Runs the steps as the system does; each is a script of its own in the folder of the repository. */
async function runSteps(
  it: { readonly project: Project; readonly daemon: Serving },
  { shell }: System,
  steps: readonly PipelineStep[],
  variables: Readonly<Record<string, string>>,
): Promise<string> {
  let output = '';
  for (const { job, script, env } of steps) {
    const { folder, path } = it.project;
    const secrets = { SLUICE_CONTROL: it.daemon.control, SLUICE_TOKEN: 'not-asked-for' };
    const given = Object.entries(env).map(([name, value]) => [name, filledIn(value, secrets)]);
    const [program = '', ...words] = shell;
    try {
      const { stdout } = await run(program, [...words, script], {
        cwd: folder,
        env: {
          ...{ PATH: path, HOME: folder, USER: 'ci', LANG: 'C.UTF-8' },
          ...{ ...secrets, ...variables, ...Object.fromEntries(given) },
          // Compiled once, not at each start.
          NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '',
        },
      });
      output += stdout;
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      assert.fail(`${job}: ${script}\n${stdout}\n${stderr}`);
    }
  }
  return output;
}

/** GitHub's expressions: secrets, and the inputs of a run by hand. */
function filledIn(text: string, secrets: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{\{ (\w+)\.(\w+) \}\}/g, (_, kind: string, name: string) => {
    const known: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      secrets,
      inputs: { to: '', why: 'it is "slow"' },
    };
    const value = known[kind]?.[name];
    assert(value !== undefined, `the expression ${kind}.${name} is not known`);
    return value;
  });
}

test('the configuration of docs/ci is one', async () => {
  const text = await readFile(join(CI_FOLDER, 'sluice.yaml'), 'utf8');
  const [service] = parseConfig(text, 'sluice.yaml', {}).services;
  assert.deepEqual(
    service?.instances.map(({ id }) => id),
    ['10.0.0.11:9000', '10.0.0.12:9000'],
  );
});

test('the steps of the pipelines deploy and roll back', async (t: TestContext) => {
  const ports = await freePorts(2);
  const servers = ports.map((port) => `127.0.0.1:${port}`);
  let folder = '';
  // Before the folder goes, in which their pids are.
  t.after(async () => {
    for (const id of servers) {
      const file = join(folder, `.sluice/run/app/${id}.json`);
      const text = await readFile(file, 'utf8').catch(() => '{}');
      const record: { process?: { handle?: { pid?: number } } | null } = JSON.parse(text);
      if (record.process?.handle?.pid !== undefined) killGroup(record.process.handle.pid);
    }
  });
  const daemon = await serve(
    t,
    `upstreams: { app: { servers: [${servers.join(', ')}], check: { path: /ping, interval: 100ms } } }\n`,
  );
  const it = { daemon, project: await project(t, ports) };
  folder = it.project.folder;
  const answers = (): Promise<readonly string[]> =>
    Promise.all(servers.map(async (id) => (await fetch(`http://${id}/ping`)).text()));

  for (const [index, system] of SYSTEMS.entries()) {
    await t.test(system.name, async () => {
      const { push, rollback } = system.pipeline;
      assert(push.length >= 2 && rollback.length === 1, JSON.stringify(system.pipeline));
      const [one, two] = [`${index}a`, `${index}b`].map((digits) =>
        digits.padEnd(40, '0123456789'),
      );
      assert(one !== undefined && two !== undefined);
      for (const commit of [one, two]) {
        const variables = system.variables(commit, it.project.folder);
        const output = await runSteps(it, system, push, variables);
        assert.match(output, /Release r\d+ of app to \S+ SUCCEEDED/);
        assert.deepEqual(
          await answers(),
          ports.map(() => system.version(commit)),
        );
      }
      await runSteps(it, system, rollback, system.variables(two, it.project.folder));
      assert.deepEqual(
        await answers(),
        ports.map(() => system.version(one)),
      );
    });
  }

  await t.test('what they leave for later steps', async () => {
    const outputs = await readFile(join(it.project.folder, 'github-output'), 'utf8');
    assert.match(outputs, /^outcome<<(\S+)\nsucceeded\n\1$/m);
    const report = await readFile(join(it.project.folder, 'deploy.env'), 'utf8');
    assert.match(report, /^SLUICE_OUTCOME=succeeded$/m);
  });
});
