// The language of `?filter=`: comparisons of a selector with a value, joined by `and`, `or`, `not` and
// parentheses. Pure: text in, a tree out, or the reason why there is none.

export type Operator =
  | 'Equal'
  | 'Not Equal'
  | 'In'
  | 'Not In'
  | 'Is Empty'
  | 'Is Not Empty'
  | 'Matches'
  | 'Not Matches';

export type Match = {
  readonly kind: 'match';
  readonly selector: readonly string[];
  readonly operator: Operator;
  /** Undefined for `is empty`. */
  readonly value: string | undefined;
};

export type Expression =
  | Match
  | { readonly kind: 'not'; readonly operand: Expression }
  | {
      readonly kind: 'and' | 'or';
      readonly left: Expression;
      readonly right: Expression;
    };

/** Expressions inside of expressions. */
const DEPTH_MAX = 100;

type Token = {
  readonly kind: 'word' | 'text' | 'mark' | 'end';
  readonly text: string;
  /** Where it begins. */
  readonly at: number;
};

export class FilterRefusal extends Error {}

/** @throws FilterRefusal */
export function parseFilter(source: string): Expression {
  return new Parser(source).whole();
}

const TOKEN =
  /\s*(?:(?<text>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?<mark>==|!=|[()[\].])|(?<word>[-+]?\d+(?:\.\d+)?|[A-Za-z][\w/]*))/uy;

class Parser {
  readonly #source: string;
  #tokens: Token[] = [];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
    let place = 0;
    while (/\S/.test(source.slice(place))) {
      TOKEN.lastIndex = place;
      const match = TOKEN.exec(source);
      if (match === null) throw this.#wrong(place);
      const [kind = 'end', text = ''] =
        Object.entries(match.groups ?? {}).find(([, found]) => found !== undefined) ?? [];
      const at = TOKEN.lastIndex - text.length;
      this.#tokens.push({ kind: kind as Token['kind'], text, at }); // The names of TOKEN's groups.
      place = TOKEN.lastIndex;
    }
    this.#tokens.push({ kind: 'end', text: '', at: source.length });
  }

  whole(): Expression {
    const expression = this.#or();
    if (this.#peek().kind !== 'end') throw this.#wrong(this.#peek().at);
    return expression;
  }

  #or(): Expression {
    if (++this.#depth > DEPTH_MAX) throw new FilterRefusal(`more than ${DEPTH_MAX} levels`);
    let left = this.#and();
    while (this.#takeWord('or')) left = { kind: 'or', left, right: this.#and() };
    this.#depth--;
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.#takeWord('and')) left = { kind: 'and', left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    let isNegated = false;
    while (this.#takeWord('not')) isNegated = !isNegated;
    const operand = this.#primary();
    return isNegated ? { kind: 'not', operand } : operand;
  }

  #primary(): Expression {
    if (this.#takeMark('(')) {
      const inner = this.#or();
      if (!this.#takeMark(')')) throw this.#wrong(this.#peek().at);
      return inner;
    }
    return this.#match();
  }

  /** `value in selector` and `selector … value` begin alike: which it is, the words behind tell. */
  #match(): Match {
    const start = this.#at;
    if (this.#peek().kind !== 'end') {
      const value = this.#value();
      const isNegated = this.#peek().text === 'not' && this.#peek(1).text === 'in';
      if (value !== undefined && (this.#peek().text === 'in' || isNegated)) {
        this.#at += isNegated ? 2 : 1;
        const operator = isNegated ? 'Not In' : 'In';
        return { kind: 'match', selector: this.#selector(), operator, value };
      }
      this.#at = start;
    }
    const selector = this.#selector();
    if (this.#takeWord('is')) {
      const isNegated = this.#takeWord('not');
      if (!this.#takeWord('empty')) throw this.#wrong(this.#peek().at);
      const operator = isNegated ? 'Is Not Empty' : 'Is Empty';
      return { kind: 'match', selector, operator, value: undefined };
    }
    const operator = this.#operator();
    const value = this.#value();
    if (value === undefined) throw this.#wrong(this.#peek().at);
    return { kind: 'match', selector, operator, value };
  }

  #operator(): Operator {
    if (this.#takeMark('==')) return 'Equal';
    if (this.#takeMark('!=')) return 'Not Equal';
    const isNegated = this.#takeWord('not');
    if (this.#takeWord('contains')) return isNegated ? 'Not In' : 'In';
    if (this.#takeWord('matches')) return isNegated ? 'Not Matches' : 'Matches';
    throw this.#wrong(this.#peek().at);
  }

  #selector(): readonly string[] {
    if (!/^[A-Za-z]/.test(this.#peek().text)) throw this.#wrong(this.#peek().at);
    const first = this.#take('word');
    const selector = [first];
    for (;;) {
      if (this.#takeMark('.')) {
        selector.push(this.#take('word'));
      } else if (this.#takeMark('[')) {
        selector.push(unquoted(this.#take('text')));
        if (!this.#takeMark(']')) throw this.#wrong(this.#peek().at);
      } else return selector;
    }
  }

  #value(): string | undefined {
    const { kind, text } = this.#peek();
    if (kind === 'text') {
      this.#at++;
      return unquoted(text);
    }
    if (kind !== 'word') return undefined;
    return /^[A-Za-z]/.test(text) ? this.#selector().join('.') : this.#take('word');
  }

  #take(kind: Token['kind']): string {
    const token = this.#peek();
    if (token.kind !== kind) throw this.#wrong(token.at);
    this.#at++;
    return token.text;
  }

  #takeWord(text: string): boolean {
    return this.#takeIf('word', text);
  }

  #takeMark(text: string): boolean {
    return this.#takeIf('mark', text);
  }

  #takeIf(kind: Token['kind'], text: string): boolean {
    const token = this.#peek();
    if (token.kind !== kind || token.text !== text) return false;
    this.#at++;
    return true;
  }

  #peek(ahead = 0): Token {
    return this.#tokens[this.#at + ahead] ?? { kind: 'end', text: '', at: this.#source.length };
  }

  #wrong(at: number): FilterRefusal {
    const rest = this.#source.slice(at, at + 20);
    return new FilterRefusal(
      rest === '' ? 'it ends too early' : `not understood from column ${at + 1} on: ${rest}`,
    );
  }
}

function unquoted(text: string): string {
  if (text.startsWith('`')) return text.slice(1, -1);
  return text.slice(1, -1).replace(/\\(.)/g, (_, escaped: string) => ESCAPES[escaped] ?? escaped);
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };
