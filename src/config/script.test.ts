// A configuration in TypeScript means what the same keys in YAML mean.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isSluiceError } from '../base/errors.ts';
import { type ConfigInput, defineConfig, secret } from './define.ts';
import { loadConfig, parseConfig } from './load.ts';

/** The message of what a script is refused for, without its file's name. */
async function refusal(t: TestContext, text: string): Promise<string> {
  const file = script(t, text);
  try {
    await loadConfig(file, {});
  } catch (error) {
    assert(isSluiceError(error) && error.code === 'config_invalid', String(error));
    return error.message.replaceAll(file, 'FILE');
  }
  return '';
}

function script(t: TestContext, text: string, name = 'sluice.config.ts'): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

test('keys in camelCase mean what the keys of the file mean; names are left alone', async (t) => {
  const file = script(
    t,
    `import { defineConfig, secret } from 'sluice/config';
const ports: number[] = [9001, 9002];
  export default defineConfig({
  stateDir: '/tmp/state',
  listen: '127.0.0.1:8080',
  limits: { clientMaxBodySize: '10m', upstreamKeepalive: 'auto' },
  upstreams: {
    my_app: {
      servers: ports.map((port) => ({ address: \`127.0.0.1:\${port}\`, maxFails: 3, failTimeout: '5s' })),
      check: { path: '/ping', headers: { x_probe: 'yes' } },
      slowStart: undefined,
    },
  },
  services: {
    my_app: {
      instances: ports.map((port) => \`127.0.0.1:\${port}\`),
      start: ['node', 'app.js'],
      env: { NODE_ENV: 'production', dataUrl: secret('env:DATA_URL') },
      guard: { minHealthyPercent: 40 },
      onFailure: 'park',
    },
  },
});
`,
  );
  const yaml = `state_dir: /tmp/state
listen: 127.0.0.1:8080
limits: { client_max_body_size: 10m, upstream_keepalive: auto }
upstreams:
  my_app:
    servers:
      - { address: "127.0.0.1:9001", max_fails: 3, fail_timeout: 5s }
      - { address: "127.0.0.1:9002", max_fails: 3, fail_timeout: 5s }
    check: { path: /ping, headers: { x_probe: "yes" } }
services:
  my_app:
    instances: ["127.0.0.1:9001", "127.0.0.1:9002"]
    start: [node, app.js]
    env: { NODE_ENV: production, dataUrl: env:DATA_URL }
    guard: { min_healthy_percent: 40 }
    on_failure: park
`;
  assert.deepEqual(await loadConfig(file, {}), parseConfig(yaml, file, {}));
});

test('the type knows every key and its values', () => {
  const config: ConfigInput = defineConfig({
    hosts: { a: { address: '10.0.0.1', ssh: 'deploy@10.0.0.1' } },
    upstreams: { app: { servers: ['127.0.0.1:9001'], check: { type: 'http', interval: '1s' } } },
    services: {
      app: {
        instances: ['127.0.0.1:9001'],
        start: 'node app.js',
        drain: { onTimeout: 'halt' },
        notify: [{ slack: secret('env:SLACK_URL'), on: ['failed'] }],
      },
    },
  });
  assert.ok(config);
  // @ts-expect-error: the file's key
  defineConfig({ state_dir: 'x' });
  // @ts-expect-error: no such word
  defineConfig({ services: { app: { instances: [], start: 'x', onFailure: 'panic' } } });
  // @ts-expect-error: no such key
  defineConfig({ upstreams: { app: { colour: 'red' } } });
  // @ts-expect-error: a number where a duration belongs
  defineConfig({ shutdownTimeout: 30 });
});

for (const [name, text, wanted] of [
  [
    'an unknown key, by its name there',
    'export default { upstreams: { app: { check: { intervall: "1s" } } } };',
    'FILE: upstreams.app.check.intervall: unknown key; did you mean "interval"?',
  ],
  [
    'a wrong value, and other keys in the message',
    'export default { limits: { clientMaxBodySize: "much" } };',
    'FILE: limits.clientMaxBodySize: "much" is not a size; write bytes or a number with k, m or g: 8k',
  ],
  [
    'the key of the file',
    'export default { upstreams: { app: { slow_start: "1s" } } };',
    'FILE: upstreams.app.slow_start: is written slowStart here; keys of sluice.yaml are in camelCase in a script',
  ],
  [
    'a near miss of a key, in camelCase',
    'export default { limits: { clientMaxBodySizes: "1m" } };',
    'FILE: limits.clientMaxBodySizes: unknown key; did you mean "clientMaxBodySize"?',
  ],
  [
    'a function as a value',
    'export default { services: { app: { start: () => "x" } } };',
    'FILE: services.app.start: is a function; a configuration is data alone: text, numbers, lists and maps',
  ],
  [
    'an object of a class',
    'export default { upstreams: new Map() };',
    'FILE: upstreams: is an object of a class; write plain data',
  ],
  [
    'data that holds itself',
    'const x = {}; x.listen = x; export default x;',
    'FILE: listen: holds itself; write it out',
  ],
  [
    'a function as a whole',
    'export default () => ({});',
    'FILE: exports a function; export what it returns: export default defineConfig({ … })',
  ],
  [
    'nothing exported',
    'export const config = {};',
    'FILE: has no configuration as its default export; write export default defineConfig({ … })',
  ],
  [
    'code that throws, with its line',
    'const a = 1;\nthrow new Error("no\\nway");\nexport default {};',
    'FILE: could not be run: no way (line 2)',
  ],
  [
    'a secret in the open, which is not shown',
    'import { secret } from "sluice/config";\nexport default { admin: { token: secret("hush") } };',
    'FILE: could not be run: secret() takes a reference: env:NAME, file:/path or cmd:program (line 2)',
  ],
] as const) {
  test(`refuses ${name}`, async (t) => {
    assert.equal(await refusal(t, text), wanted);
  });
}

test('a file that was changed is read anew, and one in JavaScript is read too', async (t) => {
  const file = script(t, 'export default { workers: 2 };', 'sluice.config.js');
  assert.equal((await loadConfig(file, {})).workers, 2);
  writeFileSync(file, 'export default Promise.resolve({ workers: 3 });');
  assert.equal((await loadConfig(file, {})).workers, 3);
});
