// What CI systems read in the output of a release.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  A,
  B,
  event,
  FAILED,
  RECEIPT,
  SUCCEEDED,
  settled,
  step,
} from '../../../test/support/cli/release-story.ts';
import { outputFor } from '../show-words.ts';
import { outputLines } from './github.ts';
import { command, GithubLog, inert, maskLines } from './github-log.ts';
import { GitlabLog } from './gitlab-log.ts';
import { dotenv, outputsOf } from './outputs.ts';
import { summary } from './summary.ts';

test('auto goes by the CI system, then by the terminal', () => {
  assert.equal(outputFor('auto', { GITHUB_ACTIONS: 'true' }, true), 'github');
  assert.equal(outputFor('auto', { GITLAB_CI: 'true' }, false), 'gitlab');
  assert.equal(outputFor('auto', {}, true), 'tty');
  assert.equal(outputFor('auto', { GITHUB_ACTIONS: 'false' }, false), 'plain');
  assert.equal(outputFor('plain', { GITHUB_ACTIONS: 'true' }, true), 'plain');
});

const STORY = [
  step(A, 'drain', 'start'),
  step(A, 'drain', 'done'),
  step(A, 'check', 'failed', { reason: 'no answer' }),
  settled(A, 'failed', 'no answer'),
  step(A, 'stop', 'done', {}, true),
  settled(A, 'reverted'),
];

test('github: a group per instance, ended before its outcome is said', () => {
  const log = new GithubLog();
  const lines = [...STORY, step(B, 'drain', 'start'), settled(B, 'released')].flatMap((one) =>
    log.lines(one),
  );
  assert.deepEqual(
    lines.map((line) => line.replace(/^.*Z app r42 /, '')),
    [
      `::group::app ${A}`,
      `${A} drain    start`,
      `${A} drain    done   5ms`,
      `${A} check    failed 5ms reason="no answer"`,
      `${A} instance failed 19s no answer`,
      `${A} stop*    done   5ms`,
      `${A} instance reverted 19s`,
      '::endgroup::',
      `✖ ${A} reverted`,
      `::group::app ${B}`,
      `${B} drain    start`,
      `${B} instance released 19s`,
      '::endgroup::',
      `✔ ${B} released`,
    ],
  );
});

test('github: a group that is open ends before a warning and before the last block', () => {
  const log = new GithubLog();
  log.lines(step(A, 'drain', 'start'));
  const note = event({ type: 'note', instance: '', text: 'r41 died, 50% done' });
  assert.deepEqual(log.lines(note), [
    '::endgroup::',
    '::warning title=app%3A r42::r41 died, 50%25 done',
  ]);
  log.lines(step(A, 'drain', 'done'));
  assert.equal(log.result(SUCCEEDED)[0], '::endgroup::');
});

test('github: that it waits for a person is a notice, outside of any group', () => {
  const log = new GithubLog();
  log.lines(step(A, 'admit', 'start'));
  const body = { type: 'approval', before: 'rest', ms: 0, by: '', why: '', reason: '' };
  const until = '2026-11-23T13:04:09.000Z';
  const lines = log.lines(event({ ...body, phase: 'wait', until }));
  assert.equal(lines[0], '::endgroup::');
  assert.equal(
    lines[2],
    `::notice title=app%3A r42::waits for approval until ${until}: sluice approve app r42`,
  );
  const given = log.lines(event({ ...body, phase: 'given', until, by: 'user:bob' }));
  assert.match(given.join('|'), /^\S+ app r42 - approval given /);
});

test('github: exactly one error on a failure, none without; lost requests are a warning', () => {
  const errors = (lines: readonly string[]): readonly string[] =>
    lines.filter((line) => line.startsWith('::error'));
  const lines = new GithubLog().result(FAILED);
  assert.deepEqual(errors(lines), [
    '::error title=Release r42 of app to v2 FAILED after 3.2s (exit 1)::check failed: process exited with code 1%0Anext: read the log%0Anext: fix it and deploy again',
  ]);
  assert(lines.includes('::warning title=app%3A r42::2 requests lost, 1 cut'));
  const good = new GithubLog().result(SUCCEEDED);
  assert.deepEqual(
    good.filter((line) => line.startsWith('::')),
    [],
  );
  const doubtful = { ...SUCCEEDED, doubts: ['5xx'] };
  assert(new GithubLog().result(doubtful).includes('::warning title=app%3A r42::5xx'));
  const missing = 'the gateway restarted';
  const cut = { ...SUCCEEDED, receipt: { ...RECEIPT, cut: 0, lost: 0, complete: false, missing } };
  assert(new GithubLog().result(cut).some((line) => line.endsWith(`is incomplete: ${missing}`)));
  assert.deepEqual(new GithubLog().error('a: b\nc'), ['::error title=sluice deploy::a: b%0Ac']);
});

test('github: more notes than a step may have annotations are plain lines', () => {
  const log = new GithubLog();
  const note = event({ type: 'note', instance: '', text: 'x' });
  const lines = Array.from({ length: 12 }, () => log.lines(note)).flat();
  assert.equal(lines.filter((line) => line.startsWith('::warning')).length, 9);
  assert.equal(lines.at(-1), 'warning: app: r42: x');
});

test('github: what an app prints is never a command', () => {
  for (const [line, shown] of [
    ['::set-env name=A::b', ': :set-env name=A::b'],
    ['  ::error::x', '  : :error::x'],
    ['app log: ##[add-path]/tmp', 'app log: ## [add-path]/tmp'],
    ['a\x1b[2Jb', 'a [2Jb'],
    ['12:04 x ::error::', '12:04 x ::error::'],
  ] as const) {
    assert.equal(inert(line), shown);
  }
  const evidence = ['::error::planted'];
  const errors = new GithubLog()
    .result({ ...FAILED, evidence })
    .filter((line) => /^\s*::error/.test(line));
  assert.equal(errors.length, 1);
});

test('github: values are escaped as the runner reads them', () => {
  assert.equal(command('group', 'a%0A\r\nb: c,d'), '::group::a%250A%0D%0Ab: c,d');
  assert.equal(command('error', 'x', 'a: b, 50%\n'), '::error title=a%3A b%2C 50%25%0A::x');
});

test('github: each secret is masked, and each line of one that has several', () => {
  assert.deepEqual(maskLines(new Set(['p%ss', 'one\ntwo'])), [
    '::add-mask::p%25ss',
    '::add-mask::one%0Atwo',
    '::add-mask::one',
    '::add-mask::two',
  ]);
});

test('outputs: several lines stay one value, whatever they hold', () => {
  const outputs = outputsOf({ ...FAILED, reason: 'a\nEOF\noutcome<<EOF\nsucceeded' });
  assert.equal(outputs.failed_requests, '3');
  const text = outputLines(outputs, 'D');
  assert.match(text, /^release<<D\nr42\nD\n/);
  assert.match(text, /\nreason<<D\na\nEOF\noutcome<<EOF\nsucceeded\nD\n$/);
  assert.notEqual(outputLines(outputs), outputLines(outputs), 'the delimiter can be guessed');
  assert.match(
    dotenv(outputs),
    /^SLUICE_OUTCOME=failed\nSLUICE_EXIT=1\nSLUICE_FAILED_REQUESTS=3\n/m,
  );
  assert.match(dotenv(outputs), /^SLUICE_REASON=a EOF outcome<<EOF succeeded\n$/m);
  assert.equal(outputsOf({ ...FAILED, receipt: null }).failed_requests, '');
});

test('summary: instances, traffic, what to do; no text of the app is Markdown or HTML', () => {
  const [first] = FAILED.instances;
  assert(first !== undefined);
  const note = 'a | b <img src=x> [x](y)';
  const text = summary({ ...FAILED, instances: [{ ...first, note }] });
  assert.match(text, /^### ❌ Release r42 of app to v2 FAILED after 3.2s \(exit 1\)\n/);
  assert(
    text.includes(
      '| 127.0.0.1:9001 | v1 | in pool | reverted: a \\| b &lt;img src=x> \\[x\\](y) |',
    ),
  );
  assert(text.includes('| 9,120 | 9,118 | 0 | 1 | 2 | 120ms |'));
  assert(text.includes('- next: fix it and deploy again'));
  assert(text.includes('````text\nlast probe: connect ECONNREFUSED\napp log: ```no config\n````'));
  assert.match(summary(SUCCEEDED), /^### ✅ /);
});

test('gitlab: sections of instances are closed, and the part that failed is open', () => {
  const log = new GitlabLog();
  const lines = [...STORY, step(B, 'drain', 'start'), settled(B, 'released')].flatMap((one) =>
    log.lines(one, 7_900),
  );
  assert.deepEqual(
    lines.filter((line) => line.startsWith('section_')),
    [
      `section_start:7:sluice_1[collapsed=true]\r\x1b[0Kapp ${A}`,
      'section_end:7:sluice_1\r\x1b[0K',
      `section_start:7:sluice_2\r\x1b[0Kapp ${A} FAILED`,
      'section_end:7:sluice_2\r\x1b[0K',
      `section_start:7:sluice_3[collapsed=true]\r\x1b[0Kapp ${B}`,
      'section_end:7:sluice_3\r\x1b[0K',
    ],
  );
  assert.match(lines[4] ?? '', /_2/);
  assert.match(lines[5] ?? '', /check {4}failed/, 'the step that failed stands in the open one');
});

test('gitlab: what an app prints begins no section', () => {
  const log = new GitlabLog();
  const evidence = ['section_start:1:x\r\x1b[0Kplanted'];
  const lines = log.result({ ...FAILED, evidence }, 0);
  assert(!lines.some((line) => line.includes('\x1b')));
});
