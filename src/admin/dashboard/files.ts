// The files of the dashboard, as they are sent. In the published package they lie in dist/dashboard; in the
// repository they are made from dashboard/ when somebody asks, and again when a source has changed, so that
// there is no build step.

import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { SluiceError } from '../../base/errors.ts';

export type DashboardFile = {
  readonly contentType: string;
  readonly body: Uint8Array;
  readonly gzipped: Uint8Array;
};

type Files = ReadonlyMap<string, DashboardFile>;
type Contents = ReadonlyMap<string, Uint8Array>;

const BUILT = fileURLToPath(new URL('../../dashboard/', import.meta.url));
const SOURCES = fileURLToPath(new URL('../../../dashboard/', import.meta.url));
const BUILDER = join(SOURCES, 'build.ts');
const squeeze = promisify(gzip);
/** Once per file, and sent to each browser. */
const SMALLEST = { level: 9, memLevel: 9 };

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export class DashboardFiles {
  #files: Files | undefined;
  #madeFromMs = 0;
  #making: Promise<Files> | undefined;

  /** `index.html` or what it names; undefined: there is no such file. @throws unreachable */
  async file(name: string): Promise<DashboardFile | undefined> {
    const isCurrent =
      this.#files !== undefined && (name !== 'index.html' || !(await this.#isOld()));
    if (isCurrent) return this.#files?.get(name);
    // Tabs that open at once wait for the same.
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    return (await this.#making).get(name);
  }

  async #make(): Promise<Files> {
    const fromMs = existsSync(BUILDER) ? await newest(SOURCES) : 0;
    const contents = existsSync(BUILDER) ? await bundled() : await packed();
    const entries = [...contents].map(async ([name, body]) => {
      const contentType = CONTENT_TYPES[extname(name)] ?? 'application/octet-stream';
      return [name, { contentType, body, gzipped: await squeeze(body, SMALLEST) }] as const;
    });
    this.#files = new Map(await Promise.all(entries));
    this.#madeFromMs = fromMs;
    return this.#files;
  }

  async #isOld(): Promise<boolean> {
    return existsSync(BUILDER) && (await newest(SOURCES)) !== this.#madeFromMs;
  }
}

async function packed(): Promise<Contents> {
  const names = await readdir(BUILT).catch((cause: unknown) => {
    const text = `dashboard: its files are not in ${BUILT}; install Sluice again`;
    throw new SluiceError('unreachable', text, { cause });
  });
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await readFile(join(BUILT, name))] as const),
    ),
  );
}

async function bundled(): Promise<Contents> {
  try {
    const builder: unknown = await import(BUILDER);
    return await (builder as { buildDashboard(): Promise<Contents> }).buildDashboard(); // Our own file.
  } catch (cause) {
    const text = `dashboard: cannot be made from ${SOURCES}; run npm ci, then see: node dashboard/build.ts /tmp/dashboard`;
    throw new SluiceError('unreachable', text, { cause });
  }
}

/** When a source was changed last, Unix ms. */
async function newest(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true });
  const times = names.map(async (name) => (await stat(join(folder, name))).mtimeMs);
  return Math.max(...(await Promise.all(times)));
}
