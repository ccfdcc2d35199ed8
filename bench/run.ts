// Runs the benches and writes their sections into bench/RESULTS.md: `npm run bench [-- NAME…]`. A
// section is replaced by its name, so that one bench can be run again; each tells when and where.
//
// `npm run bench -- --quick [REVISION]`: in two minutes, whether this state takes more processor time per request
// than that one (the last commit), alternately. For every step of work on speed; it writes nothing.

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Cleanup } from '../demo/stack.ts';
import { checkout, machine } from './lab.ts';
import * as throughput from './throughput.ts';

/** In the order of the page. A bench exports `run(): Promise<string>`, a Markdown section. */
const BENCHES: Readonly<Record<string, string>> = {
  throughput: 'Requests per CPU-second',
  tls: 'TLS',
  tail: 'The slowest of a hundred, at half load',
  'before-after': 'Before and after',
  'change-cost': 'What a change costs',
  'big-upstream': 'Ten thousand servers',
  'change-latency': 'From a registry write to the last request',
  'no-loss': 'Requests lost in releases and crashes',
  reloads: 'Another configuration under load',
  upgrades: 'Another process under load',
  release: 'Ways to release',
  gateways: 'Several gateways on one registry',
  memory: 'Memory of a worker',
  stream: 'Twenty pages that look on',
  balancing: 'Balancing',
  registry: 'Registry',
  http1: 'HTTP/1.1 layer',
  'access-log': 'A line of the access log',
};

const RESULTS = join(import.meta.dirname, 'RESULTS.md');
const INTRODUCTION = `# Bench results

Written by \`npm run bench\`; each section says when and on what it was measured. Absolute figures hold for
that machine alone, ratios are taken within one run. Run one again with \`npm run bench -- NAME\`.
`;

function fileOf(name: string): string {
  return join(import.meta.dirname, `${name}.ts`);
}

async function measure(name: string): Promise<string> {
  // Chosen by name at run time; checked below, because a missing face would fail without a word.
  const loaded: unknown = await import(fileOf(name));
  if (typeof loaded !== 'object' || loaded === null || !('run' in loaded)) {
    throw new Error(`bench/${name}.ts exports no run()`);
  }
  if (typeof loaded.run !== 'function') throw new Error(`bench/${name}.ts exports no run()`);
  return String(await loaded.run()).trim();
}

/** The page's sections by bench name; a section starts with `<!-- name -->`. */
function sectionsOf(page: string): Map<string, string> {
  const parts = page.split(/^<!-- ([\w-]+) -->\n/m).slice(1);
  const sections = new Map<string, string>();
  for (let at = 0; at + 1 < parts.length; at += 2) {
    sections.set(parts[at] ?? '', (parts[at + 1] ?? '').trim());
  }
  return sections;
}

function pageOf(sections: ReadonlyMap<string, string>): string {
  const parts = Object.keys(BENCHES).flatMap((name) => {
    const section = sections.get(name);
    return section === undefined ? [] : [`<!-- ${name} -->\n${section}\n`];
  });
  return [INTRODUCTION, ...parts].join('\n');
}

async function replaceSection(name: string, body: string): Promise<void> {
  const page = existsSync(RESULTS) ? await readFile(RESULTS, 'utf8') : '';
  const when = new Date().toISOString().slice(0, 16).replace('T', ' ');
  const facts = `*${when} UTC, ${machine()}*`;
  const section = `## ${BENCHES[name]}\n\n${facts}\n\n${body}`;
  await writeFile(RESULTS, pageOf(sectionsOf(page).set(name, section)));
}

async function quick(revision: string): Promise<void> {
  const cleanup = new Cleanup();
  try {
    const beside = await checkout(revision, cleanup);
    const loads = ['small GET', 'POST', '256 clients'];
    const only = ['sluice', 'nginx'];
    const tables = await throughput.run({ rounds: 3, seconds: 1, only, loads, beside });
    console.log(`"before" is ${revision}.\n\n${tables}`);
  } finally {
    await cleanup.run();
  }
}

const wanted = process.argv.slice(2);
if (wanted[0] === '--quick') {
  await quick(wanted[1] ?? 'HEAD');
  process.exit();
}
const unknown = wanted.filter((name) => BENCHES[name] === undefined);
if (unknown.length > 0) {
  console.error(`no bench "${unknown.join(', ')}"; there are ${Object.keys(BENCHES).join(', ')}`);
  process.exit(2);
}
const names = (wanted.length > 0 ? wanted : Object.keys(BENCHES)).filter((name) =>
  existsSync(fileOf(name)),
);
for (const name of names) {
  console.error(`${name}…`);
  try {
    const body = await measure(name);
    await replaceSection(name, body);
    console.log(`\n## ${BENCHES[name]}\n\n${body}\n`);
  } catch (error) {
    // The others still have something to tell.
    console.error(error);
    process.exitCode = 1;
  }
}
