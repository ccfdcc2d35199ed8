// Where a release waits for a person.

import { list, section } from '../shapes.ts';
import { duration, optionalChoice } from '../values.ts';

/** Points at which it can wait, with what they mean. */
export const APPROVAL_POINTS = {
  first: 'before the first instance, when the artifact is on all hosts and nothing is touched',
  rest: 'before the rest, when the first instance serves the version',
} as const;

export type ApprovalPoint = keyof typeof APPROVAL_POINTS;

// Object.keys forgets the type of the keys.
const POINTS = Object.keys(APPROVAL_POINTS) as [ApprovalPoint, ...ApprovalPoint[]];
const meanings = POINTS.map((word) => `\`${word}\`: ${APPROVAL_POINTS[word]}`).join('; ');

export const approveSchema = section(
  'A deploy waits for `sluice approve` there. Left out: it waits for nobody. A text alone is `before`. Not for a rollback, nor for `sluice stop`. Needs a registry that the gateway can write. See docs/release.md.',
  {
    before: list(
      `Where. ${meanings}.`,
      optionalChoice({ about: '', words: POINTS }).unwrap(),
      1,
    ).prefault(['first']),
    timeout: duration({
      about:
        'Not approved by then: the release ends (exit 8); instances that are done stay as they are.',
      initial: '1h',
      least: '1s',
    }),
  },
  'before',
).optional();
