// An expression of `?filter=` against the fields that documents have, and then against documents. What
// cannot be (an unknown selector, `contains` of a number) is refused before anything is looked at.

import { type Expression, FilterRefusal, type Match, type Operator, parseFilter } from './parse.ts';

/**
 * What a document has, by the names that a selector uses. `[tree]`: a list of such documents, of which
 * one must match; `{ '*': tree }`: any name.
 */
export type FieldTree =
  | 'text'
  | 'number'
  | 'flag'
  | 'texts'
  | readonly [FieldTree]
  | { readonly [name: string]: FieldTree };

type Test = (value: unknown) => boolean;

/** Keeps what the expression keeps; '' keeps everything. Refused: the sentence that Consul begins with. */
export function filterOf(
  source: string,
  fields: FieldTree,
): { readonly keeps: Test } | { readonly refused: string } {
  if (source === '') return { keeps: () => true };
  try {
    return { keeps: testOf(parseFilter(source), fields) };
  } catch (error) {
    if (!(error instanceof FilterRefusal)) throw error;
    return { refused: `Failed to create boolean expression evaluator: ${error.message}` };
  }
}

function testOf(expression: Expression, fields: FieldTree): Test {
  switch (expression.kind) {
    case 'not': {
      const operand = testOf(expression.operand, fields);
      return (value) => !operand(value);
    }
    case 'and': {
      const [left, right] = [testOf(expression.left, fields), testOf(expression.right, fields)];
      return (value) => left(value) && right(value);
    }
    case 'or': {
      const [left, right] = [testOf(expression.left, fields), testOf(expression.right, fields)];
      return (value) => left(value) || right(value);
    }
    case 'match':
      return matchOf(expression, fields);
  }
}

function matchOf(match: Match, fields: FieldTree): Test {
  const field = fieldAt(match.selector, fields);
  if (!operatorsOf(field).includes(match.operator)) {
    throw new FilterRefusal(
      `Invalid match operator "${match.operator}" for selector "${match.selector.join('.')}"`,
    );
  }
  const positive = positiveTest(match, field);
  const isNegated = match.operator.includes('Not');
  const test: Test = (value) => positive(value) !== isNegated;
  return (value) => walk(value, fields, match, 0, test);
}

/** A list is looked through for one that matches; a name that a map does not have matches nothing. */
function walk(value: unknown, fields: FieldTree, match: Match, depth: number, test: Test): boolean {
  const name = match.selector[depth];
  if (name === undefined) return test(value);
  if (isList(fields)) {
    const [items] = fields;
    return Array.isArray(value) && value.some((item) => walk(item, items, match, depth, test));
  }
  if (typeof fields === 'string') return false;
  const member = memberOf(value, name);
  if (member === undefined && '*' in fields) {
    return !['Equal', 'Is Not Empty', 'In'].includes(match.operator);
  }
  const inside = fields[name] ?? fields['*'];
  return inside !== undefined && walk(member, inside, match, depth + 1, test);
}

function fieldAt(selector: readonly string[], fields: FieldTree): FieldTree {
  let field = fields;
  selector.forEach((name, at) => {
    while (isList(field)) [field] = field;
    const inside = typeof field === 'string' ? undefined : (ownField(field, name) ?? field['*']);
    if (inside === undefined) {
      throw new FilterRefusal(`Selector ${goList(selector.slice(0, at + 1))} is not valid`);
    }
    field = inside;
  });
  return field;
}

function ownField(field: Exclude<FieldTree, string | readonly [FieldTree]>, name: string) {
  return name !== '*' && Object.hasOwn(field, name) ? field[name] : undefined;
}

function operatorsOf(field: FieldTree): readonly Operator[] {
  if (field === 'text')
    return ['Equal', 'Not Equal', 'In', 'Not In', 'Matches', 'Not Matches'] as const;
  if (field === 'number' || field === 'flag') return ['Equal', 'Not Equal'] as const;
  const holds = ['Is Empty', 'Is Not Empty'] as const;
  if (isList(field)) return holds;
  if (field === 'texts') return ['In', 'Not In', ...holds];
  return '*' in field ? ['In', 'Not In', ...holds] : [];
}

function positiveTest({ operator, value = '' }: Match, field: FieldTree): Test {
  if (operator === 'Is Empty' || operator === 'Is Not Empty') {
    return (found) => Object.keys(found ?? {}).length === 0;
  }
  if (operator === 'Matches' || operator === 'Not Matches') {
    const expression = regularExpression(value);
    return (found) => expression.test(String(found).slice(0, SUBJECT_MAX));
  }
  if (operator === 'In' || operator === 'Not In') {
    if (field === 'text') return (found) => String(found).includes(value);
    if (field === 'texts') return (found) => Array.isArray(found) && found.includes(value);
    return (found) => memberOf(found, value) !== undefined;
  }
  if (field === 'number') {
    if (!/^[-+]?\d+$/.test(value)) throw notCoerced(value);
    return (found) => found === Number(value);
  }
  if (field === 'flag') {
    const wanted = FLAGS[value.toLowerCase()];
    if (wanted === undefined) throw notCoerced(value);
    return (found) => found === wanted;
  }
  return (found) => found === value;
}

const FLAGS: Readonly<Record<string, boolean>> = {
  ...{ true: true, t: true, 1: true },
  ...{ false: false, f: false, 0: false },
};

function notCoerced(value: string): FilterRefusal {
  return new FilterRefusal(`Failed to coerce value "${value}"`);
}

/** A pattern is somebody else's, and our engine, unlike Go's, can be kept busy by one: so bounds. */
const PATTERN_MAX = 256;
const REPETITIONS_MAX = 3;
const SUBJECT_MAX = 512;

function regularExpression(pattern: string): RegExp {
  if (pattern.length > PATTERN_MAX) {
    throw new FilterRefusal(`a pattern of more than ${PATTERN_MAX} characters`);
  }
  const plain = pattern.replace(/\\.|\[[^\]]*\]/g, 'x');
  if (/\)[*+{]/.test(plain)) {
    throw new FilterRefusal(
      `pattern "${pattern}" repeats a group, which this registry does not offer`,
    );
  }
  if ((plain.match(/[*+]|\{\d+,/g) ?? []).length > REPETITIONS_MAX) {
    throw new FilterRefusal(`pattern "${pattern}" has more than ${REPETITIONS_MAX} repetitions`);
  }
  try {
    return new RegExp(pattern, 'u');
  } catch {
    throw new FilterRefusal(`Failed to compile regular expression "${pattern}"`);
  }
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}

function isList(field: FieldTree): field is readonly [FieldTree] {
  return Array.isArray(field);
}

function goList(names: readonly string[]): string {
  return JSON.stringify(names.join('.'));
}
