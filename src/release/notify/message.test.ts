import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAILED, SUCCEEDED } from '../../../test/support/cli/release-story.ts';
import { jobOf, textOf } from './message.ts';

const ABOUT = { service: 'app', release: 'r42', version: 'v2', from: ['v1'], approval: null };

test('the text fits 4096 bytes and calls nobody', () => {
  const message = { v: 1, event: 'failed', ts: '', job: '', ...ABOUT } as const;
  const reason = `<at user_id="all"></at> ${'字'.repeat(3000)}`;
  const text = textOf({ ...message, result: { ...FAILED, reason } }).join('\n\n');
  assert(Buffer.byteLength(text) <= 4096);
  assert.doesNotMatch(text, /[<>\uFFFD]/);
  assert.match(text, /…$/);
});

test('a version that was released and answers with errors is not told as a success alone', () => {
  const message = { v: 1, event: 'succeeded', ts: '', job: '', ...ABOUT } as const;
  const doubts = ['127.0.0.1:9001 on v2: 100% (298 of 298) of its requests got a 5xx'];
  const lines = textOf({ ...message, result: { ...SUCCEEDED, doubts } });
  assert.equal(lines[1], `doubt: ${doubts[0]}`);
});

test('the job that runs it is named by a link', () => {
  const github = { GITHUB_SERVER_URL: 'https://github.example', GITHUB_REPOSITORY: 'a/b' };
  assert.equal(
    jobOf({ ...github, GITHUB_RUN_ID: '7' }),
    'https://github.example/a/b/actions/runs/7',
  );
  assert.equal(jobOf({ CI_JOB_URL: 'https://gitlab.example/j/1' }), 'https://gitlab.example/j/1');
  assert.equal(jobOf({ BUILD_URL: 'https://ci.example/job/1/' }), 'https://ci.example/job/1/');
  assert.equal(jobOf({ BUILD_URL: 'javascript:x' }), '');
});

test('who is asked to approve is told how, and until when', () => {
  const message = { v: 1, event: 'approval', ts: '', job: '', ...ABOUT, result: null } as const;
  const approval = { before: 'rest', until: '2026-11-23T13:04:09.000Z' } as const;
  assert.deepEqual(textOf({ ...message, approval }), [
    '✋ Sluice: app r42 to v2 waits for approval',
    'from v1',
    'before the rest of the instances, until 2026-11-23T13:04:09.000Z',
    'next: sluice approve app r42',
    'or: sluice abort app',
  ]);
});
