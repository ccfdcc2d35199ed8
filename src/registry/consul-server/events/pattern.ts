// The filters of an event: regular expressions, which a client writes and this process runs. Go's take
// time in proportion to the text; ours can take for ever, so those that could are refused.

const LENGTH_MAX = 128;
const REPEATS_MAX = 3;

export type Pattern = Pick<RegExp, 'test'>;

/** The pattern, or why it is none. An empty one fits everything. */
export function patternOf(text: string): Pattern | string {
  let pattern: RegExp;
  try {
    pattern = new RegExp(text, 'u');
  } catch {
    return `error parsing regexp: \`${text}\``;
  }
  const repeats = text.match(/[*+?{]/g)?.length ?? 0;
  const isNested = /\)[*+?{]|\\[1-9]|\\k/.test(text);
  if (text.length > LENGTH_MAX || repeats > REPEATS_MAX || isNested) {
    return `\`${text}\` is too complex here: at most ${REPEATS_MAX} repetitions, none of a group`;
  }
  return pattern;
}
