// The unit files of packaging/systemd: systemd takes them, and they say what the program needs.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseDuration } from '../src/base/units.ts';
import { parseConfig } from '../src/config.ts';
import { sluice, temporaryFolder } from './support/cli/process.ts';

const FOLDER = join(import.meta.dirname, '../packaging/systemd');
/** What a primary may take beyond shutdown_timeout, ms. */
const BEYOND_MS = 7000;

type Unit = ReadonlyMap<string, string>;

/** By `Section.Key`. */
function parse(file: string): Unit {
  const values = new Map<string, string>();
  let section = '';
  for (const line of readFileSync(join(FOLDER, file), 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const header = /^\[(\w+)\]$/.exec(line)?.[1];
    const [, key = '', value = ''] = /^(\w+)=(.*)$/.exec(line) ?? [];
    assert(header !== undefined || key !== '', `${file}: ${line}`);
    if (header !== undefined) section = header;
    else values.set(`${section}.${key}`, value);
  }
  return values;
}

const units = readdirSync(FOLDER).filter((name) => !name.endsWith('.sysusers'));

test('systemd takes every unit', (t) => {
  if (spawnSync('systemd-analyze', ['--version']).status !== 0) return t.skip('no systemd-analyze');
  const folder = temporaryFolder(t);
  for (const name of units) {
    const text = readFileSync(join(FOLDER, name), 'utf8');
    // It looks whether the program is there.
    writeFileSync(join(folder, name), text.replaceAll('/usr/bin/sluice', process.execPath));
  }
  const paths = units.map((name) => join(folder, name));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', ...paths], {
    encoding: 'utf8',
    env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
  });
  // Of units of this machine it may say something, too.
  const ours = stderr.split('\n').filter((line) => line.includes('sluice'));
  assert.deepEqual([ours, status], [[], 0]);
});

test('the commands are verbs with options that they have', async () => {
  for (const name of units.filter((unit) => unit.endsWith('.service'))) {
    const [program, ...args] = (parse(name).get('Service.ExecStart') ?? '').split(' ');
    assert.equal(program, '/usr/bin/sluice');
    const { code, stdout } = await sluice([...args, '--help']);
    assert.equal(code, 0);
    for (const option of args.filter((arg) => arg.startsWith('--'))) {
      assert(stdout.includes(` ${option} `), `${name}: ${option}`);
    }
  }
});

test('the primary alone is signalled, and has the time that it may take', () => {
  const service = parse('sluice.service');
  assert.equal(service.get('Service.Type'), 'notify');
  assert.equal(service.get('Service.NotifyAccess'), 'all');
  assert.equal(service.get('Service.ExecReload'), '/bin/kill -HUP $MAINPID');
  assert.equal(service.get('Service.KillMode'), 'process', 'workers outlive a killed primary');
  const stopMs = parseDuration(service.get('Service.TimeoutStopSec') ?? '');
  const { shutdownTimeoutMs } = parseConfig('workers: 1', 'sluice.yaml');
  assert(stopMs !== undefined && stopMs > shutdownTimeoutMs + BEYOND_MS);
});

test('folders that the program writes are those of the unit', () => {
  for (const name of ['sluice', 'sluice-registry']) {
    const unit = parse(`${name}.service`);
    assert.equal(unit.get('Service.StateDirectory'), name);
    assert.equal(unit.get('Service.WorkingDirectory'), `/var/lib/${name}`);
    assert.equal(unit.get('Service.User'), 'sluice');
  }
  const registry = parse('sluice-registry.service').get('Service.ExecStart');
  assert.match(registry ?? '', /--data-dir \/var\/lib\/sluice-registry$/);
  assert.match(readFileSync(join(FOLDER, 'sluice.sysusers'), 'utf8'), /^u sluice /m);
});
