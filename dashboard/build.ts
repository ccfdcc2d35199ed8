// Makes what a browser loads out of the sources in this folder: one script, a chunk with all pages but the first one, one style
// sheet, and index.html, which names them. `npm pack` writes it into dist/; in the repository the control API
// calls it when somebody opens the page, so that nothing has to be built before `npm run demo`.
//
//   node dashboard/build.ts dist/dashboard

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';
import { ROUTE_PLACES } from './live/routes.ts';

const SOURCE = import.meta.dirname;
const ENTRY = join(SOURCE, 'main.tsx');

export type BuiltFiles = ReadonlyMap<string, Uint8Array>;

/** What a browser needs not. */
const LEAN: Plugin = {
  name: 'lean',
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /\/dashboard\/live\/routes\.ts$/ }, async () => ({
      contents: `export const ROUTE_PLACES = ${JSON.stringify(await calledRoutes())}`,
    }));
    // Of the program's modules only what is used: loading one does nothing by itself.
    onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ path, resolveDir }) => {
      const file = join(resolveDir, path);
      return file.includes('/src/') ? { path: file, sideEffects: false } : undefined;
    });
  },
};

/** Most routes are for the CLI and for runners; those that a page calls have their name in it, in quotes. */
async function calledRoutes(): Promise<object> {
  const names = (await readdir(SOURCE, { recursive: true })).filter((name) => /\.tsx?$/.test(name));
  const texts = await Promise.all(names.map((name) => readFile(join(SOURCE, name), 'utf8')));
  const source = texts.join('\n');
  return Object.fromEntries(
    Object.entries(ROUTE_PLACES).filter(([name]) => source.includes(`'${name}'`)),
  );
}

/** By name, without folders: a name has a digest of what is in it, except that of `index.html`. */
export async function buildDashboard(): Promise<BuiltFiles> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: SOURCE,
    entryPoints: [ENTRY, join(SOURCE, 'icon.svg')],
    outdir: 'out',
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    loader: { '.svg': 'copy' },
    bundle: true,
    splitting: true,
    format: 'esm',
    target: ['es2023'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    minify: true,
    legalComments: 'none',
    metafile: true,
    plugins: [LEAN],
    write: false,
    logLevel: 'silent',
  });
  const files = new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]));
  files.set('index.html', Buffer.from(await index(metafile)));
  return files;
}

async function index({ outputs }: Metafile): Promise<string> {
  let page = await readFile(join(SOURCE, 'index.html'), 'utf8');
  const main = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === 'main.tsx');
  const icon = Object.keys(outputs).find((path) => path.endsWith('.svg'));
  if (main === undefined || icon === undefined) throw new Error('dashboard: no script was made');
  const [script, { cssBundle = '', imports }] = main;
  // What the script begins with is asked for at once, and not when the script is here.
  const shared = imports.find(({ kind }) => kind === 'import-statement')?.path ?? script;
  for (const [name, path] of Object.entries({ script, shared, style: cssBundle, icon })) {
    page = page.replace(`{${name}}`, basename(path));
  }
  return page;
}

const [, program, folder] = process.argv;
if (program === import.meta.filename) {
  if (folder === undefined) throw new Error('usage: node dashboard/build.ts FOLDER');
  await mkdir(folder, { recursive: true });
  for (const [name, contents] of await buildDashboard()) {
    await writeFile(join(folder, name), contents);
  }
}
