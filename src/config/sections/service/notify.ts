// Who hears of a release.

import type { z } from 'zod';
import { referenceProblem } from '../../../base/secrets.ts';
import { list, section } from '../shapes.ts';
import { duration, optionalChoice, text } from '../values.ts';

/** What is told, with what it means. */
export const NOTIFY_EVENTS = {
  started: 'the first instance is about to be touched',
  paused: 'a person has paused it, and it waits for `sluice resume`',
  approval: 'it waits for `sluice approve`',
  succeeded: 'all instances are at the version',
  unchanged: 'there was nothing to do',
  failed: 'a release failed, whatever came of the instance',
  refused: 'it was refused before anything was touched',
  interrupted: 'a signal, an abort or a missing approval ended it',
} as const;

export type NotifyEvent = keyof typeof NOTIFY_EVENTS;

/** Kinds of receiver, with the sentence of their key. */
export const NOTIFY_KINDS = {
  webhook:
    'Any receiver: the result as JSON by POST, signed with `secret` (see docs/release.md). The URL as it is, or a reference to it.',
  dingtalk: 'A DingTalk robot: a reference to its URL; `secret` for one that asks for a signature.',
  feishu:
    'A Feishu (Lark) robot: a reference to its URL; `secret` for one that asks for a signature.',
  wecom: 'A WeCom robot: a reference to its URL.',
  slack: 'An incoming webhook of Slack: a reference to its URL.',
} as const;

export type NotifyKind = keyof typeof NOTIFY_KINDS;

const reference = (about: string) =>
  text({
    about,
    kind: 'reference',
    problemOf: (value) =>
      /^(env|file|cmd):/.test(value)
        ? referenceProblem(value)
        : 'is not a reference; write env:NAME or file:/path, so that it is not in this file',
  }).optional();

const url = (about: string) =>
  text({
    about,
    kind: 'URL or reference',
    problemOf: (value) =>
      /^((env|file|cmd):|https?:\/\/[^\s/])/.test(value)
        ? referenceProblem(value)
        : 'is not a URL; write https://… or env:NAME',
  }).optional();

// Object.keys forgets the type of the keys.
const EVENTS = Object.keys(NOTIFY_EVENTS) as [NotifyEvent, ...NotifyEvent[]];
const meanings = EVENTS.map((word) => `\`${word}\`: ${NOTIFY_EVENTS[word]}`).join('; ');

const receiver = section('', {
  webhook: url(NOTIFY_KINDS.webhook),
  dingtalk: reference(NOTIFY_KINDS.dingtalk),
  feishu: reference(NOTIFY_KINDS.feishu),
  wecom: reference(NOTIFY_KINDS.wecom),
  slack: reference(NOTIFY_KINDS.slack),
  secret: reference('A reference to what messages are signed with (HMAC-SHA256).'),
  on: list(
    `What is told. ${meanings}.`,
    optionalChoice({ about: '', words: EVENTS }).unwrap(),
    1,
  ).prefault(['approval', 'succeeded', 'failed', 'interrupted']),
  timeout: duration({
    about:
      'For one try; there are up to three, and no more than 10 s in all at the end of a release.',
    initial: '5s',
  }),
});

export const notifySchema = list(
  'Who hears of its releases; one of `webhook`, `dingtalk`, `feishu`, `wecom`, `slack` in each. A message that cannot be delivered is a note and fails no release.',
  receiver,
).prefault([]);

export type NotifyFile = z.output<typeof notifySchema>[number];
