// What `sluice reload` prints.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReloadedDocument } from '../../admin.ts';
import { reloadView } from './reload-view.ts';

const NOTHING: ReloadedDocument = {
  ...{ file: 'sluice.yaml', dryRun: false, inForce: true, generation: 7 },
  ...{ changes: [], keys: [], kept: [], warnings: [] },
  upstreams: { added: [], removed: [], changed: [] },
};
const view = (changes: Partial<ReloadedDocument>): string =>
  reloadView({ ...NOTHING, ...changes }, (_, text) => text);

test('what has changed is told line by line', () => {
  const text = view({
    changes: [
      { path: 'upstreams.app.servers', from: '', to: '"x:1"' },
      { path: 'timeouts.read_timeout', from: '"60s"', to: '"30s"' },
      { path: 'routes', from: '[]', to: '' },
    ],
    keys: ['timeouts.read_timeout', 'routes', 'admin.token', 'upstreams.*.long_lived'],
    kept: [{ key: 'state_dir', reason: 'it is open' }],
    upstreams: { added: [], removed: [], changed: ['app'] },
  });
  assert.deepEqual(text.split('\n'), [
    'sluice.yaml: in force in every worker (generation 7), read again; changed:',
    '  +  upstreams.app.servers  "x:1"',
    '  ~  timeouts.read_timeout  "60s" → "30s"',
    '  -  routes                 []',
    '  ~  admin.token            another value',
    '  upstreams changed: app',
    '  state_dir keeps its value until the next start: it is open',
  ]);
});

test('nothing new, a worker that is late and a dry run have their own words', () => {
  assert.match(view({}), /^sluice\.yaml: in force .* nothing has changed$/);
  assert.match(view({ inForce: false }), /on its way .*: a worker has not taken it yet/);
  assert.match(view({ dryRun: true }), /: good; a reload would change nothing$/);
  assert.match(view({ dryRun: true, keys: ['admin.token'] }), /would change this:\n/);
  assert.match(view({ file: '' }), /^the defaults \(no file\): /);
});
