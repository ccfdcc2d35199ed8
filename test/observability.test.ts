// The files for Prometheus and Grafana beside the metrics of a running gateway: whatever an expression in them
// names is there. promtool reads them, and runs the examples of the alerts.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import {
  CHECKED,
  daemonConfig,
  runDaemon,
  startServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';
import { anyPair, tlsSettings } from './support/gateway/certificates.ts';
import { needPromtool } from './support/peers/promtool.ts';

const PACKAGING = join(import.meta.dirname, '../packaging');
const ALERTS = join(PACKAGING, 'prometheus/alerts.yaml');
const EXAMPLES = join(PACKAGING, 'prometheus/alerts-examples.yaml');
const GRAFANA = join(PACKAGING, 'grafana/sluice.json');

/** Labels that Prometheus adds. */
const SCRAPED = ['job', 'instance'];
/** A series that Prometheus makes itself. */
const OWN = /^up\{/;

type Node = Readonly<Record<string, unknown>>;

/** Values of a key, at any depth. */
function valuesOf(key: string, node: unknown): unknown[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) =>
    name === key ? [value] : valuesOf(key, value),
  );
}

function texts(values: readonly unknown[]): string[] {
  return values.map((value) => {
    assert(typeof value === 'string');
    return value;
  });
}

const alerts: Node = parse(readFileSync(ALERTS, 'utf8'));
const dashboard: Node = JSON.parse(readFileSync(GRAFANA, 'utf8'));
const expressions = [
  ...texts(valuesOf('expr', alerts)),
  ...texts(valuesOf('expr', dashboard)),
  // label_values(metric{…}, label)
  ...texts(valuesOf('definition', dashboard)).map((text) =>
    text.replace(/^label_values\((.*), (\w+)\)$/, 'sum by ($2) ($1)'),
  ),
];

/** Of each metric its labels, and of each label its values. */
type Series = Map<string, Map<string, Set<string>>>;

function seriesIn(text: string): Series {
  const series: Series = new Map();
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const known = series.get(name) ?? new Map<string, Set<string>>();
    series.set(name, known);
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      known.set(label, (known.get(label) ?? new Set()).add(value));
  }
  return series;
}

/** What an expression names that is not among the series. */
function missing(expression: string, series: Series): string[] {
  if (OWN.test(expression)) return [];
  const problems: string[] = [];
  const labels = new Set(SCRAPED);
  const named = [...expression.matchAll(/\b(sluice_\w+)(?:\{([^}]*)\})?/g)];
  if (named.length === 0) problems.push('no metric');
  for (const [, name = '', matchers = ''] of named) {
    const known = series.get(name);
    if (known === undefined) problems.push(name);
    for (const label of known?.keys() ?? []) labels.add(label);
    for (const [, label = '', operator, values = ''] of matchers.matchAll(
      /(\w+)(=~|!=|=)"([^"]*)"/g,
    )) {
      if (values.startsWith('$') && (SCRAPED.includes(label) || known?.has(label))) continue;
      for (const value of operator === '=~' ? values.split('|') : [values])
        if (known?.get(label)?.has(value) !== true) problems.push(`${name}{${label}="${value}"}`);
    }
  }
  for (const [, list = ''] of expression.matchAll(/\b(?:by|on) \(([^)]*)\)/g))
    for (const label of list.split(', ')) if (!labels.has(label)) problems.push(`label ${label}`);
  return problems;
}

/** Of a gateway with a certificate, and with a checked server that has answered. */
async function runningMetrics(t: TestContext): Promise<{ text: string; openMetrics: string }> {
  const server = await startServer(t);
  const yaml = `${CHECKED.replace('app: {', `app: { servers: ["${server.id}"],`)}`;
  const config = daemonConfig(`workers: 1\n${yaml}`, temporaryDir(t));
  const tls = tlsSettings({ certificates: [anyPair().files] });
  const listen = [...config.gateway.listen, { id: 'tls', host: '127.0.0.1', port: 0, tls }];
  const daemon = await runDaemon(t, { ...config, gateway: { ...config.gateway, listen } });
  const read = async (accept = '*/*'): Promise<string> =>
    (await fetch(`${daemon.control}/metrics`, { headers: { accept } })).text();
  await until('it has answered', async () => (await fetch(daemon.gateway)).status === 200);
  await until('it is counted', async () => (await read()).includes('sluice_server_response_head'));
  return { text: await read(), openMetrics: await read('application/openmetrics-text') };
}

test('what alerts and dashboard name, a running gateway has', async (t) => {
  const { text, openMetrics } = await runningMetrics(t);
  const series = seriesIn(text);
  assert(series.size > 40, `${series.size} metrics`);
  const wrong = expressions.flatMap((expression) =>
    missing(expression, series).map((problem) => `${problem} in ${expression}`),
  );
  assert.deepEqual(wrong, []);
  await t.test('promtool has nothing against its metrics', async (inner) => {
    const promtool = needPromtool(inner);
    if (promtool !== undefined) assert.equal(await promtool.checkMetrics(text), '');
  });
  await t.test('Prometheus gets OpenMetrics that it can read', async (inner) => {
    const promtool = needPromtool(inner);
    if (promtool !== undefined) assert.equal(await promtool.readOpenMetrics(openMetrics), '');
  });
});

test('the judge of expressions finds what is missing', () => {
  const series = seriesIn('sluice_a{b="c"} 1\nsluice_d 2\n');
  for (const [expression, problems] of [
    ['sluice_a', 0],
    ['sum by (job, b) (sluice_a{b="c"})', 0],
    ['sluice_a{b=~"c|d"}', 1],
    ['sluice_a{x="$x"}', 1],
    ['sum by (x) (sluice_a)', 1],
    ['sluice_none', 1],
    ['vector(1)', 1],
  ] as const)
    assert.equal(missing(expression, series).length, problems, expression);
});

test('every alert says how bad it is, what it is and what to do, and has examples', () => {
  const rules = valuesOf('rules', alerts).flat() as Node[];
  const examples: Node = parse(readFileSync(EXAMPLES, 'utf8'));
  const tried = new Set(texts(valuesOf('alertname', examples)));
  const page = readFileSync(join(PACKAGING, '../docs/observability.md'), 'utf8');
  assert(rules.length > 10);
  for (const rule of rules) {
    const [summary = '', description = ''] = [
      ...texts(valuesOf('summary', rule)),
      ...texts(valuesOf('description', rule)),
    ];
    assert.match(String(valuesOf('severity', rule)), /^(page|ticket)$/);
    assert(summary.endsWith('.') && description.length > 20, String(rule['alert']));
    assert(tried.has(String(rule['alert'])), `${rule['alert']} has no example`);
    const row = `| \`${rule['alert']}\` | ${valuesOf('severity', rule)} |`;
    assert(page.includes(row), `${row} is not in docs/observability.md`);
  }
});

test('promtool reads the rules, and each alert fires when it should and not before', async (t) => {
  const promtool = needPromtool(t);
  if (promtool === undefined) return;
  assert.equal(await promtool.checkRules(ALERTS), '');
  assert.equal(await promtool.testRules(EXAMPLES), '');
});

test('promtool reads every expression of the dashboard', async (t) => {
  const promtool = needPromtool(t);
  if (promtool === undefined) return;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-rules-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const rules = expressions.map((expression, place) => ({
    record: `e:${place}`,
    expr: expression.replaceAll('$__rate_interval', '5m'),
  }));
  const file = join(folder, 'rules.json');
  await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  assert.equal(await promtool.checkRules(file), '');
});

test('panels of the dashboard have ids of their own and do not lie on each other', () => {
  const panels = dashboard['panels'];
  assert(Array.isArray(panels) && panels.length > 15);
  const taken = new Set<string>();
  const ids = new Set<unknown>();
  for (const { id, gridPos } of panels) {
    ids.add(id);
    assert(gridPos.x + gridPos.w <= 24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        assert(!taken.has(`${x},${y}`), `panel ${id}`);
        taken.add(`${x},${y}`);
      }
  }
  assert.equal(ids.size, panels.length);
});
