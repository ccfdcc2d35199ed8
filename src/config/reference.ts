// docs/config.md and the JSON Schema, both from the schema, so that they agree with it. The
// layout: one table per map of keys, in the order of the file.

import { z } from 'zod';
import { fileSchema } from './schema.ts';

type Schema = z.core.JSONSchema.BaseSchema;

/** The JSON Schema of the file, for completion in editors. */
export function configSchema(): Readonly<Record<string, unknown>> {
  const schema = z.toJSONSchema(fileSchema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      const shorthand = jsonSchema['x-short'];
      for (const key of Object.keys(jsonSchema)) {
        if (key.startsWith('x-')) delete jsonSchema[key];
      }
      if (typeof shorthand !== 'string') return;
      const { description, default: initial, ...rest } = jsonSchema;
      for (const key of Object.keys(rest)) delete jsonSchema[key];
      jsonSchema.anyOf = [rest, { type: shorthand === 'null' ? 'null' : 'string' }];
    },
  });
  return { title: 'sluice.yaml', ...schema, patternProperties: { '^x-': {} } };
}

/** The reference of every key as Markdown. */
export function configReference(): string {
  const root = z.toJSONSchema(fileSchema, { io: 'input' });
  const lines = [INTRODUCTION];
  describe('', root, lines);
  lines.push(AFTERWORD);
  return lines.join('\n');
}

/** Place → the keys of that map; made once, as a file may have thousands of wrong keys. */
let keysByPlace: ReadonlyMap<string, readonly string[]> | undefined;

/** The keys of a map: of `limits`, `upstreams.<name>.servers[]`; '' is the top. */
export function keysIn(place: string): readonly string[] {
  keysByPlace ??= readPlaces();
  return keysByPlace.get(place) ?? [];
}

/** The maps in which a key stands, named as above. */
export function placesOf(key: string): readonly string[] {
  keysByPlace ??= readPlaces();
  return [...keysByPlace].flatMap(([place, keys]) => (keys.includes(key) ? [place] : []));
}

function readPlaces(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  const look = (place: string, schema: Schema): void => {
    found.set(place, Object.keys(schema.properties ?? {}));
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      if (typeof property === 'boolean') continue;
      const [suffix, within] = keysWithin(property);
      if (within !== undefined) look(`${place === '' ? '' : `${place}.`}${name}${suffix}`, within);
    }
  };
  look('', z.toJSONSchema(fileSchema, { io: 'input' }));
  return found;
}

const INTRODUCTION = `# Configuration

<!-- Written by configReference() in src/config/reference.ts from the schema; a test compares.
     To write it anew: UPDATE_DOCS=1 node --test src/config/reference.test.ts -->

\`sluice.yaml\`, read by \`sluice serve\` and, for addresses, by the other verbs. Every key is optional:
without a file, \`sluice serve\` runs these defaults with one upstream \`app\`. \`sluice check\` names every problem
as \`file:line:col: path: what is wrong; what to do\` and starts nothing.

- **Durations** carry a unit: \`500ms\`, \`5s\`, \`1m30s\`, \`2h\`. A bare \`5\` is refused, because it reads as
  seconds to one and as milliseconds to the next. A bare \`0\` is fine where 0 means off.
- **Sizes** are bytes, or have \`k\`, \`m\`, \`g\` (1024): \`8k\`.
- **Switches** are \`on\` and \`off\` (\`true\` and \`false\` too).
- **Addresses** are \`host:port\`; IPv6 in brackets and quotes: \`"[::1]:9001"\`.
- **Lists** of one may be written without brackets.
- **Secrets** are \`env:NAME\`, \`file:/path\` (its first line), or the text itself.
- **In TypeScript**: \`sluice.config.ts\` (\`.mts\`, \`.js\`) has the same keys in camelCase, completed by an editor. It is read where it
  is named with \`-c\`, or lies where \`sluice.yaml\` would (not both). It may compute what it likes and exports data alone:

  \`\`\`ts
  import { defineConfig, secret } from 'sluice/config';
  const instances = ['10.0.0.11', '10.0.0.12'].map((host) => \`\${host}:9000\`);
  export default defineConfig({
    upstreams: { app: { servers: instances, slowStart: '30s' } },
    services: { app: { instances, start: ['node', 'app.js'], env: { DB: secret('env:DB') }, onFailure: 'park' } },
  });
  \`\`\`
- Top-level keys that begin with \`x-\` are ignored: a place for YAML anchors; \`<<\` merges them.
`;

const AFTERWORD = `## Different from nginx and its modules

| key | here | there | why |
|---|---|---|---|
| \`check.fall\`, \`check.interval\` | 3, 1s | 5, 30 s | the check module's defaults notice a dead server after minutes |
| \`check.type\` | http | tcp | a process that accepts and answers 500 is not alive |
| \`max_fails\` of a record in the registry | 2 | 2 (upsync) | kept; servers in this file have nginx's own 1 |
| \`client_header_timeout\`, \`client_body_timeout\` | 10s, 30s | 60s | that is what slow clients hold open |
| \`connect_timeout\` | 5s | 60s | that is what dead servers hold open |
| \`tls.verify\` of an upstream | on | \`proxy_ssl_verify off\` | else anybody in between reads and changes everything |
| all servers ejected | they are tried | 502 for \`fail_timeout\` | one of them may answer |
| \`client_max_body_size\` | no limit | 1m | bodies are streamed, not held |
`;

function describe(path: string, schema: Schema, lines: string[]): void {
  const properties = Object.entries(schema.properties ?? {});
  const inner: [string, Schema][] = [];
  const rows: string[] = [];
  for (const [key, property] of properties) {
    if (typeof property === 'boolean') continue;
    const [suffix, within] = keysWithin(property);
    if (within === undefined)
      rows.push(row(key, property, schema.required?.includes(key) ?? false));
    else
      inner.push([
        `${path === '' ? '' : `${path}.`}${key}${suffix}`,
        { ...within, description: property.description ?? '' },
      ]);
  }
  if (rows.length > 0) {
    lines.push('| key | default | values | meaning |', '|---|---|---|---|', ...rows, '');
  }
  for (const [name, section] of inner) {
    lines.push(`## \`${name}\``, '', section.description ?? '', '');
    describe(name, section, lines);
  }
}

/** The map of keys inside a property: of the property, of a list's items, of a record's values. */
function keysWithin(property: Schema): ['' | '[]' | '.<name>', Schema | undefined] {
  if (property.properties !== undefined) return ['', property];
  // Its keys stand elsewhere.
  if (property['x-like'] !== undefined) return ['', undefined];
  const { items, additionalProperties: values } = property;
  if (isSchema(items) && items.properties !== undefined) return ['[]', items];
  if (isSchema(values) && values.properties !== undefined) return ['.<name>', values];
  return ['', undefined];
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function row(key: string, property: Schema, isRequired: boolean): string {
  const initial = property.default;
  const shown =
    initial === undefined
      ? isRequired
        ? '**required**'
        : '–'
      : `\`${Array.isArray(initial) ? `[${initial.join(', ')}]` : typeof initial === 'object' ? '{}' : initial === '' ? "''" : String(initial)}\``;
  const item = isSchema(property.items) ? property.items : undefined;
  const values = String(property['x-value'] ?? item?.['x-value'] ?? 'text');
  const kind =
    item === undefined
      ? property.type === 'object' && property['x-value'] === undefined
        ? 'map of text'
        : values
      : `list of ${values}`;
  return `| \`${key}\` | ${shown} | ${kind} | ${property.description ?? ''} |`;
}
