// The structure of the source, checked: who may import whom, faces, cycles, packages in one folder,
// file sizes, no default exports. It reads import statements as text; it does not judge the code.
// A module is `src/x.ts` (its face) with `src/x/` (its inside). The table is the one of ARCHITECTURE.md.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

/** What each module may import: `x` as it is, `type x` for types alone, which vanish at run time. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  base: [],
  model: ['base'],
  upstream: ['base', 'model'],
  registry: ['base', 'model'],
  health: ['base', 'model'],
  config: ['base', 'model', 'type health', 'type gateway', 'type registry'],
  gateway: ['base', 'model', 'upstream', 'type config'],
  release: ['base', 'model', 'health', 'type config', 'type admin/contract'],
  snapshot: ['base', 'model', 'type registry', 'type health'],
  // Runs in a browser, too; whoever speaks with the control API imports it and not the server.
  'admin/contract': ['base', 'model'],
  certificates: ['base', 'model', 'type config'],
  admin: ['base', 'model', 'admin/contract'],
  client: ['base', 'model', 'admin/contract', 'type admin'],
  instance: ['base', 'model', 'client', 'type admin'],
  tracing: ['base', 'model'],
  workers: ['base', 'model', 'upstream', 'gateway', 'tracing', 'type config'],
  gateways: ['base', 'model', 'registry'],
  ledger: ['base', 'model', 'registry', 'admin/contract'],
  history: ['base', 'model'],
  control: [
    ...['base', 'model', 'registry', 'gateways', 'ledger', 'workers', 'admin', 'history'],
    ...['type config', 'type health', 'type snapshot'],
  ],
  daemon: [
    ...['base', 'model', 'registry', 'health', 'config', 'gateway', 'release', 'snapshot'],
    ...['admin', 'workers', 'control', 'certificates'],
  ],
  cli: [
    ...['base', 'model', 'config', 'registry', 'release', 'daemon', 'admin/contract'],
    ...['client', 'instance', 'type admin'],
  ],
  index: [
    ...['base', 'model', 'upstream', 'registry', 'health', 'config', 'gateway', 'release'],
    ...['daemon', 'admin', 'instance'],
  ],
};

/** The one folder in which each runtime dependency may be imported. */
const PACKAGE_HOME: Readonly<Record<string, string>> = {
  pino: 'base',
  zod: 'config',
  yaml: 'config',
  commander: 'cli',
  hono: 'admin',
  '@hono/node-server': 'admin',
  'prom-client': 'admin',
  '@opentelemetry/api': 'tracing',
  '@opentelemetry/exporter-trace-otlp-http': 'tracing',
};

const LINES_MAX = 400;

type Import = { readonly from: string; readonly to: string; readonly isType: boolean };

const root = join(import.meta.dirname, '..');
const files = ['src', 'test', 'demo', 'bench', 'dashboard'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.d.ts'))
    .map((name) => join(folder, name)),
);
const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
const program = files.filter((file) => file.startsWith('src/') && !file.endsWith('.test.ts'));

/** Import and re-export statements and `import()` calls; relative targets as paths from the root. */
function importsOf(file: string): Import[] {
  const text = sources.get(file) ?? '';
  const statements = text.matchAll(
    /^(?:import|export)\s+(type\s)?(?:[\w$*{}\s,]+?\sfrom\s+)?'([^']+)';|\bimport\('([^']+)'\)/gm,
  );
  return [...statements].map(([, type, specifier, lazy]) => {
    const target = specifier ?? lazy ?? '';
    const to = target.startsWith('.') ? join(dirname(file), target) : target;
    return { from: file, to, isType: type !== undefined };
  });
}

const imports = new Map(files.map((file) => [file, importsOf(file)]));
const isOwn = (target: string): boolean => target.startsWith('src/');
/**
 * `src/gateway/http1/syntax/body.ts` → gateway, `src/gateway.ts` → gateway. An inner module that has a
 * line of its own in the table is a module: `src/admin/contract/shape.ts` → admin/contract.
 */
const moduleOf = (file: string): string => {
  const [, outer = '', inner = ''] = file.split('/').map((part) => part.replace(/\.ts$/, ''));
  return `${outer}/${inner}` in ALLOWED ? `${outer}/${inner}` : outer;
};
const packageOf = (specifier: string): string =>
  specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

test('imports point downward only', () => {
  const wrong = program
    .flatMap((file) => imports.get(file) ?? [])
    .filter(({ to }) => isOwn(to))
    .filter(({ from, to, isType }) => {
      const [user, used] = [moduleOf(from), moduleOf(to)];
      const allowed = ALLOWED[user];
      assert(allowed, `${from}: module "${user}" is not in the table`);
      return (
        user !== used && !allowed.includes(used) && !(isType && allowed.includes(`type ${used}`))
      );
    });
  assert.deepEqual(wrong.map(show), []);
});

test('other modules are imported through their face', () => {
  const wrong = files
    .flatMap((file) => imports.get(file) ?? [])
    .filter(({ from, to }) => {
      if (!isOwn(to) || moduleOf(to) === 'base') return false;
      // Tests and benches may use the face of an inner module, such as gateway/http1/syntax.
      if (isFace(to) && (!isOwn(from) || from.endsWith('.test.ts'))) return false;
      if (!isOwn(from)) return true;
      if (to === `src/${moduleOf(to)}.ts`) return false;
      return facesAround(to).some(
        (inside) => from !== `${inside}.ts` && !from.startsWith(`${inside}/`),
      );
    });
  assert.deepEqual(wrong.map(show), []);
});

test('inside the gateway the exchange knows no version of HTTP, and text knows no connection', () => {
  const inside: Readonly<Record<string, RegExp>> = {
    'src/gateway/exchange': /^src\/gateway\/(http1|listener|gateway)/,
    'src/gateway/routing': /^src\/gateway\/(http1|listener|exchange|transport|gateway)/,
    'src/gateway/http1/syntax': /^src\/gateway\/(?!http1\/syntax|message|host|read-buffer)/,
    'src/gateway/transport': /^src\/gateway\/(?!transport|read-buffer)/,
  };
  const wrong = program
    .flatMap((file) => imports.get(file) ?? [])
    .filter(({ from, to }) =>
      Object.entries(inside).some(([folder, no]) => from.startsWith(folder) && no.test(to)),
    );
  assert.deepEqual(wrong.map(show), []);
});

test('no file imports itself by a detour', () => {
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      return;
    }
    state.set(file, 'open');
    for (const { to, isType } of imports.get(file) ?? []) {
      if (isOwn(to) && !isType) visit(to, [...path, file]);
    }
    state.set(file, 'done');
  };
  for (const file of program) visit(file, []);
  assert.deepEqual(cycles, []);
});

test('no two modules import each other', () => {
  const edges = new Set(
    program
      .flatMap((file) => imports.get(file) ?? [])
      .filter(({ from, to, isType }) => isOwn(to) && !isType && moduleOf(from) !== moduleOf(to))
      .map(({ from, to }) => `${moduleOf(from)} ${moduleOf(to)}`),
  );
  const mutual = [...edges].filter((edge) => edges.has(edge.split(' ').reverse().join(' ')));
  assert.deepEqual(mutual, []);
});

test('every import names a file that exists', () => {
  const wrong = files
    .flatMap((file) => imports.get(file) ?? [])
    .filter(({ to }) => /^(src|test|demo|bench)\//.test(to) && !existsSync(join(root, to)));
  assert.deepEqual(wrong.map(show), []);
});

test('a package is imported in its one folder', () => {
  const outside = program.flatMap((file) =>
    (imports.get(file) ?? [])
      .filter(({ to }) => !isOwn(to) && !to.startsWith('node:'))
      .filter(({ to }) => PACKAGE_HOME[packageOf(to)] !== moduleOf(file))
      .map(show),
  );
  assert.deepEqual(outside, []);
});

test('the dependencies are those of the table', () => {
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert(typeof manifest === 'object' && manifest !== null && 'dependencies' in manifest);
  assert.deepEqual(
    Object.keys(manifest.dependencies ?? {}).toSorted(),
    Object.keys(PACKAGE_HOME).toSorted(),
  );
});

test(`no file is longer than ${LINES_MAX} lines`, () => {
  const long = files
    .filter((file) => !file.endsWith('.test.ts')) // Tables of cases may be long.
    .map((file) => ({ file, lines: (sources.get(file) ?? '').split('\n').length - 1 }))
    .filter(({ lines }) => lines > LINES_MAX);
  assert.deepEqual(long, []);
});

test('files have kebab-case names and say what they are', () => {
  const wrong = files.filter((file) => {
    const name = file.split('/').at(-1) ?? '';
    return (
      !/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.tsx?$/.test(name) ||
      /^(utils?|common|manager)\./.test(name) ||
      // A test says what it is by the names of its tests.
      !(file.endsWith('.test.ts') || /^(#!.*\n)?\/\/ \S/.test(sources.get(file) ?? ''))
    );
  });
  assert.deepEqual(wrong, []);
});

test('the dashboard takes from the program the contract of the control API, and what that is made of', () => {
  const pages = files.filter((file) => file.startsWith('dashboard/') && !file.endsWith('.test.ts'));
  const taken = pages
    .flatMap((file) => imports.get(file) ?? [])
    .filter(({ to }) => isOwn(to))
    .filter(({ to }) => !/^src\/(?:admin\/contract|model|base\/(?:duration|errors))\.ts$/.test(to));
  assert.deepEqual(taken.map(show), []);
  const needed = pages
    .filter((file) => file !== 'dashboard/build.ts')
    .flatMap((file) => imports.get(file) ?? [])
    .filter(({ to }) => !/^(?:src|dashboard)\//.test(to))
    .filter(({ to }) => !/^(?:preact|preact\/hooks|@preact\/signals)$/.test(to));
  assert.deepEqual(needed.map(show), []);
});

test('what helps tests is under test/support, by the module that it helps', () => {
  const places = new Set(
    [...Object.keys(ALLOWED), 'peers', 'dashboard'].map((name) => `test/support/${name}/`),
  );
  const wrong = files
    .filter((file) => file.startsWith('test/') && !file.endsWith('.test.ts'))
    .filter((file) => !places.has(`${file.split('/').slice(0, 3).join('/')}/`));
  assert.deepEqual(wrong, []);
});

test('every file of src is part of the program: what only tests use is not published', () => {
  // What bin/, package.json and a new process begin with.
  const begins = [
    'src/cli.ts',
    'src/index.ts',
    'src/config/define.ts',
    'src/workers/worker-process.ts',
  ];
  const used = new Set<string>();
  const visit = (file: string): void => {
    if (used.has(file)) return;
    used.add(file);
    for (const { to } of imports.get(file) ?? []) if (isOwn(to)) visit(to);
  };
  for (const file of begins) visit(file);
  assert.deepEqual(
    program.filter((file) => !used.has(file)),
    [],
  );
});

test('every numbered HTTP rule that a comment cites is in docs/design/http-rules.md', () => {
  const page = readFileSync(join(root, 'docs/design/http-rules.md'), 'utf8');
  const known = new Set([...page.matchAll(/^\| (\d+) \|/gm)].map(([, number]) => number));
  const unknown = [...sources].flatMap(([file, text]) =>
    [...text.matchAll(/\/\/.*|^ *\*.*/gm)]
      .flatMap(([line]) => [...line.matchAll(/\brules? (\d+(?:(?:, | and | to )\d+)*)/g)])
      .flatMap(([, list]) => list?.match(/\d+/g) ?? [])
      .filter((number) => !known.has(number))
      .map((number) => `${file}: rule ${number}`),
  );
  assert.deepEqual(unknown, []);
  assert.equal(known.size, 83);
});

test('there are no default exports', () => {
  const wrong = files.filter((file) => /^export default\b/m.test(sources.get(file) ?? ''));
  assert.deepEqual(wrong, []);
});

function show({ from, to, isType }: Import): string {
  return `${from} imports ${isType ? 'type ' : ''}${to}`;
}

/** `src/a/b/c.ts` → the folders around it that have a face beside them: `src/a`, `src/a/b`. */
function facesAround(file: string): string[] {
  const parts = relative('src', dirname(file))
    .split('/')
    .filter((part) => part !== '');
  return parts
    .map((_, at) => join('src', ...parts.slice(0, at + 1)))
    .filter((folder) => sources.has(`${folder}.ts`));
}

/** True for `x.ts` beside `x/`, and for a file right under `src`. */
function isFace(file: string): boolean {
  const folder = file.replace(/\.ts$/, '/');
  return dirname(file) === 'src' || files.some((other) => other.startsWith(folder));
}
