// docs/release-events.md against the events of real releases: what comes is documented, of the kind that
// is written there, and what is documented comes.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { deploy, scene } from './support/release/builders.ts';
import { shareRecords } from './support/release/shared-records.ts';

const PAGE = join(import.meta.dirname, '../docs/release-events.md');
const COMMON = 'Every event';
/** Type of event → field → its kinds. */
type Documented = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

function documented(): Documented {
  const sections = readFileSync(PAGE, 'utf8').split(/^## /m).slice(1);
  return new Map(
    sections.map((section) => {
      const rows = [...section.matchAll(/^\| `([\w.]+)` \| ([^|]+) \|/gm)];
      const fields = rows.map(([, field = '', kinds = '']) => {
        const words = kinds.trim().replace('true or false', 'switch').split(' or ');
        return [field, words] as const;
      });
      return [section.split('\n', 1)[0] ?? '', new Map(fields)];
    }),
  );
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  const kinds: Readonly<Record<string, string>> = {
    ...{ string: 'text', number: 'number', boolean: 'switch', object: 'map' },
  };
  return kinds[typeof value] ?? typeof value;
}

/** Each field below `value` that the page goes into, as `path: what is wrong with it`. */
function compare(
  value: unknown,
  path: string,
  fields: ReadonlyMap<string, readonly string[]>,
  seen: Set<string>,
): string[] {
  const name = path.slice(path.indexOf('/') + 1);
  const inner = [...fields.keys()].filter((field) => name === '' || field.startsWith(`${name}.`));
  if (inner.length === 0 || value === null || typeof value !== 'object') return [];
  if (Array.isArray(value)) return value.flatMap((item) => compare(item, path, fields, seen));
  return Object.entries(value).flatMap(([key, item]) => {
    const field = name === '' ? key : `${name}.${key}`;
    const kinds = fields.get(field);
    if (kinds === undefined) return [`${field}: not documented`];
    seen.add(field);
    const wrong = kinds.includes(kindOf(item)) ? [] : [`${field}: is ${kindOf(item)}`];
    return [...wrong, ...compare(item, `/${field}`, fields, seen)];
  });
}

test('docs/release-events.md says what comes', async (t) => {
  const pages = documented();
  const common = pages.get(COMMON) ?? new Map<string, readonly string[]>();
  const { service, control } = await scene(t);
  // Nobody says yes to the last one: it ends as soon as it has waited.
  const asking = { ...service, approve: { before: ['rest'], timeoutMs: 50 } } as const;
  const good = await deploy(service, control, 'v2');
  const pipeline = [{ part: 'build' as const, command: 'echo built' }];
  const bad = await deploy({ ...service, pipeline, versionHeader: '' }, control, 'broken');
  shareRecords(t, control);
  const waited = await deploy(asking, control, 'v3');
  const seen = new Map<string, Set<string>>();
  const wrong = [...good.events, ...bad.events, ...waited.events].flatMap((event) => {
    const fields = pages.get(event.type);
    if (fields === undefined) return [`${event.type}: not documented`];
    const found = seen.get(event.type) ?? new Set();
    seen.set(event.type, found);
    const all = new Map([...common, ...fields]);
    return compare(event, '/', all, found).map((text) => `${event.type}: ${text}`);
  });
  assert.deepEqual([...new Set(wrong)], []);
  for (const [type, fields] of pages) {
    if (type === COMMON) continue;
    const missing = [...fields.keys()].filter((field) => seen.get(type)?.has(field) !== true);
    assert.deepEqual(missing, [], `${type}: documented, but it never came`);
  }
});
