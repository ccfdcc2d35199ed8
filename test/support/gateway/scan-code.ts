// Makes scan-code.ts of scan.c: `node test/support/gateway/scan-code.ts`, after each change of it. Needs clang
// and lld; a release does not, which is why what they make is kept here.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FOLDER = fileURLToPath(new URL('../../../src/gateway/http1/syntax/plain', import.meta.url));

const FLAGS = [
  ...['--target=wasm32', '-O3', '-msimd128', '-nostdlib', '-Wall', '-Wextra', '-Werror'],
  // The memory is ours; nothing in it is run but the two scans, with a stack of their own.
  ...['--no-entry', '--import-memory', '--strip-all'].map((flag) => `-Wl,${flag}`),
  '-Wl,-z,stack-size=1024',
];
const LINE = 100;

/** The version of the compiler, with which the bytes change. */
export async function compilerVersion(clang: string): Promise<string> {
  const { stdout } = await run(clang, ['-dumpversion']);
  return stdout.trim();
}

export async function compile(clang: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-scan-'));
  try {
    const file = join(folder, 'scan.wasm');
    await run(clang, [...FLAGS, '-o', file, join(FOLDER, 'scan.c')]);
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The text of scan-code.ts. */
export function codeText(code: Buffer, version: string): string {
  const lines = code.toString('base64').match(new RegExp(`.{1,${LINE}}`, 'g')) ?? [];
  return `// Made of scan.c by test/support/gateway/scan-code.ts: not to be changed by hand.

/** The clang that made it. */
export const SCAN_COMPILER = '${version}';

/** WebAssembly, in base64. */
export const SCAN_CODE = \`
${lines.join('\n')}
\`;
`;
}

if (import.meta.main) {
  const file = join(FOLDER, 'scan-code.ts');
  await writeFile(file, codeText(await compile('clang'), await compilerVersion('clang')));
}
