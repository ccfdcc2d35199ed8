// Prometheus's own tool as a judge of what we write for Prometheus: metrics in both forms, rules, and
// tests of rules. Each call is one run of it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { needPeer } from './programs.ts';

const TIMEOUT_MS = 60_000;

type Run = { readonly code: number | null; readonly output: string };

export type Promtool = {
  /** What it says against a text of metrics; '' = nothing. */
  checkMetrics(text: string): Promise<string>;
  /** The same of OpenMetrics, by reading it as Prometheus does. */
  readOpenMetrics(text: string): Promise<string>;
  checkRules(file: string): Promise<string>;
  testRules(file: string): Promise<string>;
};

/** Undefined: skipped. */
export function needPromtool(t: TestContext): Promtool | undefined {
  const program = needPeer(t, 'promtool');
  if (program === undefined) return undefined;
  const say = async (argv: readonly string[], input = ''): Promise<string> => {
    const { code, output } = await run(program, argv, input);
    return code === 0 ? '' : output || `exit code ${code}`;
  };
  return {
    // Complaints about style end with another code than 0, too.
    checkMetrics: (text) => say(['check', 'metrics'], text),
    checkRules: (file) => say(['check', 'rules', '--lint-fatal', file]),
    testRules: (file) => say(['test', 'rules', file]),
    readOpenMetrics: async (text) => {
      const folder = await mkdtemp(join(tmpdir(), 'sluice-promtool-'));
      t.after(() => rm(folder, { recursive: true, force: true }));
      const file = join(folder, 'metrics.txt');
      await writeFile(file, text.split('\n').map(withTime).join('\n'));
      return say(['tsdb', 'create-blocks-from', 'openmetrics', file, join(folder, 'blocks')]);
    },
  };
}

/** Blocks are made of samples with a time, which a scrape does not need. */
function withTime(line: string): string {
  if (line === '' || line.startsWith('#')) return line;
  const exemplar = line.indexOf(' # {');
  return exemplar === -1
    ? `${line} 1700000000`
    : `${line.slice(0, exemplar)} 1700000000${line.slice(exemplar)}`;
}

async function run(program: string, argv: readonly string[], input: string): Promise<Run> {
  const child = spawn(program, argv, { stdio: 'pipe', timeout: TIMEOUT_MS });
  let output = '';
  const hear = (data: Buffer): void => {
    output += data.toString('utf8');
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  // It may end before it has read all.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  assert(child.signalCode === null, `promtool took over ${TIMEOUT_MS / 1000}s`);
  return { code, output: output.trim() };
}
