import assert from 'node:assert/strict';
import { test } from 'node:test';
import { releaseIn } from './started-run.ts';
import { cliOf, planWords, refusalOf, startWords } from './words.ts';

const NOTHING = { version: '', why: '', force: false, allowDowntime: false, skipBuild: false };

test('what is asked for becomes the words of a verb, and a line that a shell reads as them', () => {
  const lines = [
    { ...NOTHING, kind: 'deploy', version: 'v2', why: "it's time; rm -rf /", force: true },
    { ...NOTHING, kind: 'deploy', allowDowntime: true, skipBuild: true },
    { ...NOTHING, kind: 'rollback', version: 'v1', why: '--to v9' },
    { ...NOTHING, kind: 'resume' },
  ] as const;
  assert.deepEqual(
    lines.map((request) => cliOf(startWords('app', { ...request, owner: '' }))),
    [
      "sluice deploy app --version v2 --force '--message=it'\\''s time; rm -rf /'",
      'sluice deploy app --allow-downtime --skip-build',
      "sluice rollback app --to v1 '--message=--to v9'",
      'sluice resume app',
    ],
  );
  const plan = planWords('app', { kind: 'rollback', version: 'v1' });
  assert.equal(cliOf(plan), 'sluice plan app --rollback --version v1');
});

test('a refusal has the words of the program, and a code that the route knows', () => {
  const cases = [
    [4, 'sluice: service "app": locked\n', 'locked', 'service "app": locked'],
    [3, '', 'preflight_failed', 'service "app": sluice ended with exit code 3'],
    [9, 'sluice: away', 'conflict', 'away'],
    [2, 'note\n{"error":{"code":"not_found","message":"no"}}\n', 'not_found', 'no'],
    [2, '{"error":{"code":"unauthorized","message":"no token"}}', 'conflict', 'no token'],
    [1, '{"error":7}', 'conflict', '{"error":7}'],
    [1, 'null', 'conflict', 'null'],
  ] as const;
  for (const [exit, text, code, message] of cases) {
    const refusal = refusalOf('app', { exit, text });
    assert.deepEqual([refusal.code, refusal.message, refusal.details], [code, message, { exit }]);
  }
});

test('the release is read from lines of the program, and not from what others print', () => {
  const cases = [
    ['12:04:09Z app r42 127.0.0.1:9001 drain    start', 'r42'],
    ['Release r42 of app to v2 FAILED after 3s', 'r42'],
    ['Rollback r7 of app to v1 SUCCEEDED', 'r7'],
    ['release r7 of app runs (pid 1 on a): told to go on', 'r7'],
    ['12:04:09Z app - - build done 3s', ''],
    ['12:04:09Z other r9 - plan done', ''],
    ['Release r42 of other to v2', ''],
    ['  12:04:09Z app r1 a build printed this', ''],
    ['12:04:09Z app r4x2 -', ''],
  ] as const;
  for (const [line, release] of cases) assert.equal(releaseIn(line, 'app'), release, line);
});
