// A file or text → Config, or one error that holds every problem of it, each as
// `file:line:col: path: what is wrong; what to do`.

import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { isSluiceError, messageOf, SluiceError, systemCode } from '../base/errors.ts';
import type { Environment } from '../base/secrets.ts';
import { foreignFile } from './advice/recognise.ts';
import { buildConfig } from './build.ts';
import { type ConfigDocument, type ConfigProblem, type Path, readDocument } from './document.ts';
import { problemsOfIssues } from './issues.ts';
import { applyArtifactRules } from './rules/artifacts.ts';
import { applyNotifyRules } from './rules/notify.ts';
import { applyServiceRules } from './rules/services.ts';
import { applyRules, type Part, type Parts } from './rules/upstreams.ts';
import { fileSchema, SECTIONS } from './schema.ts';
import { isScript, readScript } from './script.ts';
import { hostSchema } from './sections/hosts.ts';
import { registry } from './sections/registry.ts';
import { serviceSchema } from './sections/service.ts';
import { routeSchema, upstreamSchema } from './sections/upstream.ts';
import type { Config } from './types.ts';

/** 10,000 servers take about 1 MB. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;
/** So many problems are read at a time; further ones are counted. */
const PROBLEMS_SHOWN_MAX = 10;
/** So many are handed over as data. */
const PROBLEMS_KEPT_MAX = 100;

/**
 * The configuration in `file`.
 * @throws config_missing when the file cannot be read, config_invalid with every problem in it.
 */
export async function loadConfig(
  file: string,
  environment: Environment = process.env,
): Promise<Config> {
  const bytes = await readBytes(file);
  if (bytes.includes(0)) {
    throw new SluiceError(
      'config_invalid',
      `${file} is a binary file; name the configuration with -c`,
    );
  }
  if (!isUtf8(bytes)) throw invalid(file, [notUtf8(bytes)]);
  if (isScript(file)) {
    const document = await readScript(resolve(file));
    if (document.data === undefined) throw invalid(file, document.problems);
    return interpret(withoutExtensions(document.data), document, file, environment);
  }
  return parseConfig(bytes.toString('utf8'), file, environment);
}

/** The configuration in `text`. `file` names it in errors; relative paths start at its folder. */
export function parseConfig(
  text: string,
  file: string,
  environment: Environment = process.env,
): Config {
  const document = readDocument(text);
  const foreign = foreignFile(text, document.data, Object.keys(SECTIONS));
  if (foreign !== '') throw invalid(file, [{ line: 1, column: 1, path: '', message: foreign }]);
  if (document.data === undefined) throw invalid(file, document.problems);
  if (document.data === null) {
    const message =
      'the file is empty; write at least one key, or run without a file for the defaults';
    throw invalid(file, [...document.problems, document.problemAt([], message)]);
  }
  return interpret(withoutExtensions(document.data), document, file, environment);
}

/** What `sluice serve` runs without a file: one upstream `app`, embedded registry, loopback. */
export function defaultConfig(environment: Environment = process.env): Config {
  return { ...parseConfig('{}', 'sluice.yaml', environment), file: '' };
}

function interpret(
  data: unknown,
  document: ConfigDocument,
  file: string,
  environment: Environment,
): Config {
  const read = fileSchema.safeParse(data);
  const problems = [...document.problems];
  const warnings: string[] = [];
  if (!read.success) problems.push(...problemsOfIssues(read.error.issues, document));
  if (isMap(data)) {
    const findings = {
      problem: (...found: Parameters<ConfigDocument['problemAt']>) =>
        void problems.push(document.problemAt(...found)),
      warning: (path: Path, message: string) =>
        void warnings.push(formatProblem(file, document.problemAt(path, message))),
    };
    const parts = partsOf(data);
    applyRules(parts, environment, findings);
    applyServiceRules(parts, environment, findings);
    applyArtifactRules(parts, findings);
    applyNotifyRules(parts, findings);
  }
  if (problems.length > 0 || !read.success) throw invalid(file, problems);
  const origin = { file, folder: dirname(resolve(file)), environment, warnings };
  return { ...buildConfig(read.data, origin), document: isMap(data) ? data : {} };
}

/** Every part on its own, so that one that cannot be read does not hide the rules of the others. */
function partsOf(data: Readonly<Record<string, unknown>>): Parts {
  const own = (key: string): unknown => (Object.hasOwn(data, key) ? data[key] : undefined);
  const upstreams = own('upstreams') === undefined ? { app: {} } : own('upstreams');
  const routes = own('routes');
  return {
    listen: part(['listen'], own('listen'), SECTIONS.listen),
    admin: part(['admin'], own('admin'), SECTIONS.admin),
    registry: part(['registry'], own('registry'), SECTIONS.registry),
    registries: entries('registries', own('registries'), registry),
    limits: part(['limits'], own('limits'), SECTIONS.limits),
    proxy: part(['proxy'], own('proxy'), SECTIONS.proxy),
    upstreams: entries('upstreams', upstreams, upstreamSchema),
    routes: (Array.isArray(routes) ? routes : []).map((route: unknown, index) =>
      part(['routes', index], route, routeSchema),
    ),
    hosts: entries('hosts', own('hosts'), hostSchema),
    services: entries('services', own('services'), serviceSchema),
  };
}

function part<Schema extends z.ZodType>(
  path: Path,
  raw: unknown,
  schema: Schema,
): Part<z.output<Schema>> {
  const read = schema.safeParse(raw);
  return { path, raw, value: read.success ? read.data : undefined };
}

function entries<Schema extends z.ZodType>(
  key: string,
  raw: unknown,
  schema: Schema,
): Map<string, Part<z.output<Schema>>> {
  if (!isMap(raw)) return new Map();
  return new Map(
    Object.entries(raw).map(([name, value]) => [name, part([key, name], value, schema)]),
  );
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Top-level keys that begin with `x-` hold anchors for the rest of the file. */
function withoutExtensions(data: unknown): unknown {
  if (!isMap(data)) return data;
  return Object.fromEntries(Object.entries(data).filter(([key]) => !key.startsWith('x-')));
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    const handle = await open(file, 'r');
    try {
      if ((await handle.stat()).isDirectory()) {
        throw new SluiceError(
          'config_missing',
          `${file} is a folder; name a file in it, like ${file.replace(/\/+$/, '')}/sluice.yaml`,
        );
      }
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of handle.createReadStream({ autoClose: false })) {
        const bytes = Buffer.from(chunk);
        length += bytes.length;
        if (length > FILE_BYTES_MAX) {
          throw new SluiceError(
            'config_invalid',
            `${file} is larger than ${FILE_BYTES_MAX} bytes; is it the configuration?`,
          );
        }
        chunks.push(bytes);
      }
      return Buffer.concat(chunks);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isSluiceError(error)) throw error;
    const what =
      systemCode(error) === 'ENOENT'
        ? 'does not exist; create it, or name another with -c FILE'
        : systemCode(error) === 'EACCES'
          ? 'may not be read by this user; change its permissions'
          : `cannot be read (${messageOf(error)})`;
    throw new SluiceError('config_missing', `${file} ${what}`, { cause: error });
  }
}

function notUtf8(bytes: Buffer): ConfigProblem {
  let line = 1;
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(0x0a, start);
    const piece = bytes.subarray(start, end === -1 ? bytes.length : end);
    if (!isUtf8(piece) || end === -1) break;
    line += 1;
    start = end + 1;
  }
  return {
    line,
    column: 1,
    path: '',
    message: 'holds bytes that are not UTF-8; save the file as UTF-8',
  };
}

function formatProblem(file: string, { line, column, path, message }: ConfigProblem): string {
  // In a script no line is known.
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return `${place}: ${path === '' ? '' : `${path}: `}${message}`;
}

function invalid(file: string, problems: readonly ConfigProblem[]): SluiceError {
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  const lines = [...new Set(sorted.map((problem) => formatProblem(file, problem)))];
  const shown = lines.slice(0, PROBLEMS_SHOWN_MAX);
  if (lines.length > shown.length)
    shown.push(
      `${file}: and ${lines.length - shown.length} more problem${lines.length - shown.length === 1 ? '' : 's'}`,
    );
  return new SluiceError('config_invalid', shown.join('\n'), {
    details: { file, count: lines.length, problems: sorted.slice(0, PROBLEMS_KEPT_MAX) },
  });
}
